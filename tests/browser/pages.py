"""Every page of the console, one line each: what it is called, its address (``{ana}`` and so on are
of ``tests.browser.world``), who looks, and how it answers."""

from typing import NamedTuple

from users.roles import Role


class Place(NamedTuple):
    """``role`` is who looks, or another of the world's sessions. ``type`` is what is typed into its
    fields, which are left then; ``open`` are the elements that are pressed then, and ``shows`` is
    what comes of that."""

    name: str
    address: str
    role: Role | str | None = Role.SUPER_ADMIN
    status: int = 200
    type: tuple[tuple[str, str], ...] = ()
    open: tuple[str, ...] = ()
    shows: str = ""


SECOND_FACTOR = "/admin/account/second-factor/"
USERS, ANA = "/admin/users/", "/admin/users/{ana}/"
EXPORTS = "/admin/exports/"
UPLOADS = "/admin/users/import/"
FEW = f"{USERS}?q=person"  # fewer rows than a page has: looking at fifty takes time
ADJUST = f"{ANA}billing.adjust_credits/"
ROW_MENU = "#row-{ana} [data-menu-url]"
PREVIEW = "button[value=preview]"
PLACES = (
    Place("sign-in", "/admin/account/sign-in/", None),
    Place("home", "/admin/"),
    Place("home-support", "/admin/", Role.SUPPORT),
    Place("own-menu", "/admin/", open=(".person-key",), shows="text=Sign out"),
    Place("users", USERS),
    Place("users-read-only", FEW, Role.READ_ONLY),
    Place("users-support", FEW, Role.SUPPORT),
    Place("users-filtered", f"{USERS}?status=active&tier=1&tier=2&credits_min=5&sort=-credits"),
    Place("users-none-match", f"{USERS}?q=nobody-is-called-this"),
    Place("users-selected", f"{FEW}&selection={{selection}}"),
    Place("users-filter-panel", FEW, open=("[data-panel-key]",), shows="#filter-panel form"),
    Place(
        "users-row-menu", f"{USERS}?id={{ana}}", open=(ROW_MENU,), shows="#row-menu >> text=Suspend"
    ),
    Place(
        "users-act-in-row",
        f"{USERS}?id={{ana}}",
        open=(ROW_MENU, "#row-menu >> text=Adjust credits"),
        shows="tr.unfold form",
    ),
    Place("shortcuts", FEW, open=("text=Keyboard shortcuts",), shows="dialog#keys"),
    Place("palette", "/admin/", open=("[data-palette-open]",), shows="#palette >> text=Audit"),
    Place("palette-page", "/admin/palette/?q=ana"),
    Place("palette-none", "/admin/palette/?q=nobody-is-called-this"),
    Place("quick-look", f"{USERS}?id={{ana}}", open=("#row-{ana} [data-look]",), shows="#look h2"),
    Place("quick-look-wide", f"{USERS}?id={{wide}}", open=("[data-look]",), shows="#look h2"),
    Place("look-page", f"{ANA}look/", Role.SUPPORT),
    Place("filters", f"{USERS}filters/"),
    Place("filters-wrong", f"{USERS}?credits_min=many", status=400),
    Place("query-wrong", f"{USERS}?q=tier:2+is:baned+ana", status=400),
    Place("query-words", f"{USERS}query/"),
    Place("query-words-support", f"{USERS}query/", Role.SUPPORT),
    Place(
        "users-every-column",
        f"{USERS}?id={{ana}}&columns=status,tags,second_factor,sessions,password_changed,locale,legacy_id,email_state",
    ),
    Place("users-columns", FEW, open=("[data-columns-key]",), shows="#columns [data-columns]"),
    Place("columns", f"{USERS}columns/?view={{view}}"),
    Place("users-view", f"{USERS}?q=person+used:0&view={{view}}&sort=-used"),
    Place("views", "/admin/views/"),
    Place("views-none", "/admin/views/", Role.READ_ONLY),
    Place("view-new", f"/admin/views/new/?{FEW.partition('?')[2]}&tier=1"),
    Place("view-edit", "/admin/views/{view}/edit/"),
    Place("view-refused", "/admin/views/{view}/", Role.SUPPORT, status=403),
    Place("export", f"{USERS}export/?status=active"),
    Place("export-selected", f"{USERS}export/?selection={{selection}}"),
    Place("export-nobody", f"{USERS}export/?q=nobody-is-called-this", Role.READ_ONLY),
    Place("exports", EXPORTS),
    Place("exports-none", EXPORTS, Role.READ_ONLY),
    Place("export-ready", f"{EXPORTS}{{export_ready}}/"),
    Place("export-running", f"{EXPORTS}{{export_running}}/"),
    Place("export-failed", f"{EXPORTS}{{export_failed}}/"),
    Place("export-expired", f"{EXPORTS}{{export_expired}}/"),
    Place("export-schedule", f"{EXPORTS}schedules/new/?tier=1"),
    Place("user", ANA),
    Place("user-read-only", ANA, Role.READ_ONLY),
    Place("user-suspended", "/admin/users/{wide}/"),
    Place("user-new", "/admin/users/{nobody}/"),
    Place("user-menu", ANA, open=(".acts summary",), shows=".acts .menu-sheet"),
    Place("user-reveal", ANA, Role.SUPPORT, open=("text=Reveal",), shows="#reveal form"),
    Place("user-credits", f"{ANA}?tab=credits"),
    Place("user-credits-none", "/admin/users/{nobody}/?tab=credits"),
    Place("user-access", f"{ANA}?tab=access"),
    Place("user-access-none", "/admin/users/{nobody}/?tab=access"),
    Place("user-audit", f"{ANA}?tab=audit"),
    Place("user-audit-none", "/admin/users/{nobody}/?tab=audit"),
    Place("reveal", f"{ANA}reveal/", Role.SUPPORT),
    Place("acts", f"{ANA}acts/"),
    Place("adjust-credits", ADJUST),
    Place(
        "adjust-credits-preview",
        ADJUST,
        type=(("delta", "50"), ("reason", "Goodwill")),
        shows="button[value=confirm]",
    ),
    Place("adjust-credits-wrong", ADJUST, type=(("delta", "0"),), open=(PREVIEW,), shows=".wrong"),
    Place("suspend", f"{ANA}users.suspend/"),
    Place("lift-restriction", "/admin/users/{wide}/users.lift_restriction/"),
    Place("act-refused", f"{ANA}users.lift_restriction/"),
    Place("selection-suspend", "/admin/selections/{selection}/users.suspend/"),
    Place(
        "selection-preview",
        "/admin/selections/{selection}/billing.adjust_credits/",
        type=(("delta", "-1000"), ("reason", "Too much")),
        shows="text=Refused, by reason",
    ),
    Place("act", "/admin/acts/{act}/"),
    Place("audit", "/admin/audit/"),
    Place("audit-read-only", "/admin/audit/", Role.READ_ONLY),
    Place("audit-wrong", "/admin/audit/?actor=nobody-is-called-this", status=400),
    Place("audit-none-match", "/admin/audit/?reason=nobody-wrote-this"),
    Place("audit-entry", "/admin/audit/{entry}/"),
    Place("imports", "/admin/imports/"),
    Place("uploads", UPLOADS),
    Place("upload-columns", UPLOADS + "{upload_named}/"),
    Place("upload-reading", UPLOADS + "{upload_reading}/"),
    Place("upload-tried", UPLOADS + "{upload_tried}/"),
    Place("upload-imported", UPLOADS + "{upload_imported}/"),
    Place("upload-refused", UPLOADS + "{upload_refused}/"),
    Place("import", "/admin/imports/{imported}/"),
    Place("import-running", "/admin/imports/{importing}/"),
    Place("service-keys", "/admin/service-keys/"),
    Place("api", "/admin/api/", open=("#list_users summary",), shows="#list_users pre"),
    Place("service-key-revoke", "/admin/service-keys/{service_key}/revoke/"),
    Place("service-key-new", "/admin/service-keys/new/"),
    Place("own-account", "/admin/account/"),
    Place("own-account-second-factor", "/admin/account/", "owner"),
    Place("user-new-form", f"{USERS}new/", Role.USER_ADMIN),
    Place(
        "user-new-wrong",
        f"{USERS}new/",
        type=(("username", "two words"),),
        open=("main button.go",),
        shows="#id_username_error",
    ),
    Place("rename", f"{ANA}users.rename/"),
    Place("tag", f"{ANA}users.tag/", type=(("add", "vip, new"),), shows="button[value=confirm]"),
    Place("note", f"{ANA}users.add_note/"),
    Place(
        "close", f"{ANA}users.close/", type=(("reason", "Asked to"),), shows="button[value=confirm]"
    ),
    Place("grant-role", f"{ANA}users.grant_role/"),
    Place("staff", "/admin/staff/"),
    Place("staff-read-only", "/admin/staff/", Role.READ_ONLY),
    Place("roles", "/admin/roles/"),
    Place("roles-support", "/admin/roles/", Role.SUPPORT),
    Place("roles-filtered", "/admin/roles/?q=password"),
    Place("roles-none-match", "/admin/roles/?q=nothing-is-called-this"),
    Place("may", "/admin/roles/may/"),
    Place(
        "may-answered",
        "/admin/roles/may/?actor=colleague.user_admin&act=users.suspend"
        "&users={ana},colleague.support,colleague.user_admin,colleague.super_admin",
    ),
    Place(
        "may-wrong",
        "/admin/roles/may/?actor=nobody&act=users.suspend&users={ana}",
        status=422,
    ),
    Place("set-tier", f"{ANA}subscriptions.set_tier/"),
    Place(
        "set-tier-preview",
        f"{ANA}subscriptions.set_tier/",
        type=(("reason", "Goodwill"),),
        open=(PREVIEW,),
        shows="text=No subscription is running",
    ),
    Place("extend", "/admin/users/{subscriber}/subscriptions.extend/"),
    Place("set-expiry", "/admin/users/{subscriber}/subscriptions.set_expiry/"),
    Place(
        "set-credits-preview",
        f"{ANA}billing.set_credits/",
        type=(("balance", "50"), ("reason", "Agreed")),
        shows="button[value=confirm]",
    ),
    Place("user-subscription", "/admin/users/{subscriber}/?tab=subscription"),
    Place("user-subscription-none", "/admin/users/{nobody}/?tab=subscription"),
    Place("tiers", "/admin/tiers/"),
    Place("tiers-read-only", "/admin/tiers/", Role.READ_ONLY),
    Place("tier", "/admin/tiers/2/"),
    Place(
        "tier-preview",
        "/admin/tiers/2/",
        type=(("name", "Plus"), ("reason", "A better name")),
        open=("main form .btn.go",),
        shows="text=Who is affected",
    ),
    Place("reason-codes", "/admin/reason-codes/"),
    Place("reason-code", "/admin/reason-codes/code/spam/"),
    Place("reason-code-new", "/admin/reason-codes/new/"),
    Place("settings", "/admin/settings/"),
    Place("settings-read-only", "/admin/settings/", Role.READ_ONLY),
    Place("settings-credits", "/admin/settings/credits/support/"),
    Place(
        "settings-sessions-preview",
        "/admin/settings/sessions/",
        type=(("idle_minutes", "10"), ("reason", "Safer")),
        open=("main form .btn.go",),
        shows="text=Who is affected",
    ),
    Place("own-password", "/admin/account/password/"),
    Place("own-sessions", "/admin/account/sessions/"),
    Place("own-second-factor-none", SECOND_FACTOR),
    Place("own-second-factor", SECOND_FACTOR, "owner"),
    Place("own-second-factor-set-up", f"{SECOND_FACTOR}set-up/"),
    Place("own-second-factor-replace", f"{SECOND_FACTOR}set-up/", "owner"),
    Place(
        "own-recovery-codes",
        SECOND_FACTOR,
        "owner",
        open=("text=Make ten new ones",),
        shows="ol.codes",
    ),
    Place(
        "own-second-factor-remove",
        SECOND_FACTOR,
        "owner",
        open=("[data-dialog-open=remove]",),
        shows="dialog#remove",
    ),
    Place("own-second-factor-reset", SECOND_FACTOR, "loser"),
    Place("user-losing-second-factor", "/admin/users/{loser}/"),
    Place("keep-second-factor", "/admin/account/keep-second-factor/{keep_factor}/", None),
    Place("choose-password", "/admin/account/choose-password/{choose}/", None),
    Place(
        "choose-password-wrong",
        "/admin/account/choose-password/{choose}/",
        None,
        type=(("new", "short"), ("again", "other")),
        open=("button.go",),
        shows=".wrong",
    ),
    Place("link-over", "/admin/account/choose-password/{used}/", None, status=410),
    Place("link-not-ours", "/admin/account/choose-password/1-x/", None, status=404),
    Place("verify-email", "/admin/account/verify-email/{verify}/", None),
    Place("keep-email", "/admin/account/keep-email/{keep}/", None),
    Place("join", "/admin/account/join/{join}/", None),
    Place("user-changing-email", "/admin/users/{mover}/"),
    Place("change-email", "/admin/users/{mover}/users.change_email/"),
    Place("invitations", "/admin/staff/invitations/"),
    Place("invitations-of-a-user-admin", "/admin/staff/invitations/", Role.USER_ADMIN),
    Place("confirm", "/admin/account/confirm/?next=/admin/", "confirming"),
    Place("sign-in-code", "/admin/account/sign-in/code/", "half in"),
    Place("bad-request", f"{USERS}?nonsense=1", status=400),
    Place("forbidden", f"{ANA}users.suspend/", Role.READ_ONLY, status=403),
    Place("not-found", "/admin/nothing-is-here/", status=404),
    Place("no-such-user", "/admin/users/987654321/", status=404),
)
