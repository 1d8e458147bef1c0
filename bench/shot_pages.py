"""The pages that bench/shots.py takes pictures of."""

from __future__ import annotations

from typing import NamedTuple


class Shot(NamedTuple):
    """A page: the picture's name, the address (``{user}`` and so on come from ``_places``), who
    looks (nobody is signed in where ``role`` is empty), and what is clicked before."""

    name: str
    path: str
    role: str = "super_admin"
    clicks: tuple[str, ...] = ()
    status: int = 200


NOBODY_THERE = (
    Shot("home", "/admin/"),
    Shot("users", "/admin/users/"),
    Shot("audit", "/admin/audit/"),
    Shot("imports", "/admin/imports/"),
    Shot("runs", "/admin/runs/"),
    Shot("approvals", "/admin/approvals/"),
    Shot("exports", "/admin/exports/"),
    Shot("uploads", "/admin/users/import/"),
)
PAGES = (
    Shot("sign-in", "/admin/account/sign-in/", ""),
    Shot("home", "/admin/"),
    Shot("home-support", "/admin/", "support"),
    Shot("users", "/admin/users/"),
    Shot("users-read-only", "/admin/users/", "read_only"),
    Shot("users-support", "/admin/users/", "support"),
    Shot("users-by-used", "/admin/users/?sort=-used"),
    Shot("users-filters", "/admin/users/", clicks=("#filters-key",)),
    Shot("users-menu", "/admin/users/", clicks=("tr:nth-child(3) .acts-key",)),
    Shot("users-quick-look", "/admin/users/", clicks=("tr:nth-child(3) .look-key",)),
    Shot("palette", "/admin/users/", clicks=("[data-palette-open]",)),
    Shot("users-selected", "/admin/users/", clicks=("tr:nth-child(2) [data-pick]",)),
    Shot("users-none-found", "/admin/users/?q=nobody-is-called-this"),
    Shot("users-wide-name", "/admin/users/?q={wide_name}"),
    Shot("users-export", "/admin/users/export/"),
    Shot("exports", "/admin/exports/"),
    Shot("uploads", "/admin/users/import/"),
    Shot("exports-schedule", "/admin/exports/schedules/new/?tier=1"),
    Shot("user", "/admin/users/{user}/"),
    Shot("user-credits", "/admin/users/{user}/?tab=credits"),
    Shot("user-access", "/admin/users/{user}/?tab=access"),
    Shot("user-audit", "/admin/users/{user}/?tab=audit"),
    Shot("user-read-only", "/admin/users/{user}/", "read_only"),
    Shot("user-reveal", "/admin/users/{user}/reveal/", "support"),
    Shot("user-suspended", "/admin/users/{suspended}/"),
    Shot("user-wide-name", "/admin/users/{wide}/"),
    Shot("user-wide-name-credits", "/admin/users/{wide}/?tab=credits"),
    Shot("user-wide-name-access", "/admin/users/{wide}/?tab=access"),
    Shot("user-acts", "/admin/users/{user}/acts/"),
    Shot("adjust-credits", "/admin/users/{user}/billing.adjust_credits/"),
    Shot("suspend", "/admin/users/{user}/users.suspend/"),
    Shot("lift-restriction", "/admin/users/{suspended}/users.lift_restriction/"),
    Shot("suspend-wide-name", "/admin/users/{wide}/users.suspend/"),
    Shot("adjust-credits-many", "/admin/selections/{selection}/billing.adjust_credits/"),
    Shot("suspend-many", "/admin/selections/{selection}/users.suspend/"),
    Shot("act", "/admin/acts/{act}/"),
    Shot("act-with-undo", "/admin/acts/{recent}/"),
    Shot("user-new", "/admin/users/new/"),
    Shot("staff", "/admin/staff/"),
    Shot("staff-read-only", "/admin/staff/", "read_only"),
    Shot("roles", "/admin/roles/"),
    Shot("may", "/admin/roles/may/?actor=superadmin&act=users.suspend&users={user},superadmin"),
    Shot("audit", "/admin/audit/"),
    Shot("audit-support", "/admin/audit/", "support"),
    Shot("audit-entry", "/admin/audit/{entry}/"),
    Shot("imports", "/admin/imports/"),
    Shot("user-subscription", "/admin/users/{user}/?tab=subscription"),
    Shot("set-tier", "/admin/users/{user}/subscriptions.set_tier/"),
    Shot("extend", "/admin/users/{user}/subscriptions.extend/"),
    Shot("set-expiry", "/admin/users/{user}/subscriptions.set_expiry/"),
    Shot("tiers", "/admin/tiers/"),
    Shot("tier", "/admin/tiers/2/"),
    Shot("reason-codes", "/admin/reason-codes/"),
    Shot("settings", "/admin/settings/"),
    Shot("approvals", "/admin/approvals/"),
    Shot("approval", "/admin/approvals/{request}/"),
    Shot("runs", "/admin/runs/"),
    Shot("run-draft", "/admin/selections/{large_selection}/users.suspend/"),
    Shot("run-counting", "/admin/runs/{run_counting}/"),
    Shot("run-to-confirm", "/admin/runs/{run_previewed}/"),
    Shot("run-running", "/admin/runs/{run_running}/"),
    Shot("run-done", "/admin/runs/{run_done}/"),
    Shot("reason-code", "/admin/reason-codes/code/spam/"),
    Shot("invitations", "/admin/staff/invitations/"),
    Shot("service-keys", "/admin/service-keys/"),
    Shot("service-key-new", "/admin/service-keys/new/"),
    Shot("api", "/admin/api/"),
    Shot("views", "/admin/views/"),
    Shot("query-words", "/admin/users/query/"),
    Shot("own-account", "/admin/account/"),
    Shot("own-second-factor", "/admin/account/second-factor/"),
    Shot("own-second-factor-set-up", "/admin/account/second-factor/set-up/"),
    Shot("own-password", "/admin/account/password/"),
    Shot("own-sessions", "/admin/account/sessions/"),
    Shot("bad-request", "/admin/users/?nonsense=1", status=400),
    Shot("forbidden", "/admin/users/{user}/users.suspend/", "read_only", status=403),
    Shot("not-found", "/admin/nothing-is-here/", status=404),
)
