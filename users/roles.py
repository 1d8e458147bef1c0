"""The four staff roles and what each may do: one literal table, from the project's role matrix.

A row names a permission, what it covers, and for each role: ``✔`` allowed, ``S`` with step-up,
``2`` step-up and a second approver, ``c`` under caps, ``M`` with masked personal data, ``O`` own
records only, ``–`` denied. Rows of operations that do not exist yet stand here too, so that a role
is decided before its operation is built.
"""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal
from functools import cache
from typing import Literal, NamedTuple

from django.db import models
from django.utils.translation import gettext_lazy as _

from audit.people import ApprovalLimits, CreditLimits

Grant = Literal["✔", "S", "2", "c", "Sc", "M", "O", "SM", "–"]


class Role(models.TextChoices):
    NONE = "none", _("none")
    READ_ONLY = "read_only", _("Read-only")
    SUPPORT = "support", _("Support")
    USER_ADMIN = "user_admin", _("User admin")
    SUPER_ADMIN = "super_admin", _("Super admin")


_RANKS = {
    Role.NONE: 0,
    Role.READ_ONLY: 1,
    Role.SUPPORT: 1,
    Role.USER_ADMIN: 2,
    Role.SUPER_ADMIN: 3,
}


def rank(role: str) -> int:
    """How high a role stands; one acts only on people who rank strictly lower."""
    return _RANKS[Role(role)]


class Row(NamedTuple):
    """One permission and how each role holds it, in the order of ``ROLES``."""

    code: str
    label: str
    super_admin: Grant
    user_admin: Grant
    support: Grant
    read_only: Grant


ROLES = (Role.SUPER_ADMIN, Role.USER_ADMIN, Role.SUPPORT, Role.READ_ONLY)

MATRIX: dict[str, tuple[Row, ...]] = {
    "View": (
        Row("users.browse", "search and filter users", "✔", "✔", "M", "M"),
        Row(
            "users.inspect",
            "a user's tier, subscription, balance and restrictions",
            "✔",
            "✔",
            "M",
            "M",
        ),
        Row(
            "users.reveal",
            "reveal a full email or IP address, one user, with a reason",
            "✔",
            "✔",
            "S",
            "–",
        ),
        Row("billing.inspect", "credit and subscription history, used credits", "✔", "✔", "✔", "✔"),
        Row("users.inspect_logins", "sign-ins, devices, last password change", "✔", "✔", "M", "M"),
        Row("reports.analytics", "analytics", "✔", "✔", "✔", "✔"),
        Row("reports.financial", "financial reports (aggregates)", "✔", "✔", "–", "✔"),
        Row("audit.inspect", "the audit log", "✔", "✔", "O", "M"),
        Row("users.inspect_staff", "staff and role holders", "✔", "✔", "–", "M"),
        Row("imports.inspect", "import reports", "✔", "✔", "–", "✔"),
    ),
    "Account": (
        Row("users.create", "create or invite a user", "✔", "✔", "–", "–"),
        Row("users.rename", "change a username", "✔", "✔", "✔", "–"),
        Row("users.change_email", "change an email address", "S", "S", "–", "–"),
        Row("users.verify_email", "mark an email address as verified", "S", "S", "–", "–"),
        Row(
            "users.resend_verification",
            "resend the verification, clear a bounce flag",
            "✔",
            "✔",
            "✔",
            "–",
        ),
        Row("users.send_password_link", "send a password link", "✔", "✔", "✔", "–"),
        Row(
            "users.require_password_change",
            "force a password change at next sign-in",
            "S",
            "S",
            "✔",
            "–",
        ),
        Row(
            "users.reset_second_factor",
            "reset a user's second factor, 24 hours later",
            "S",
            "2",
            "–",
            "–",
        ),
        Row("users.end_session", "end one session or device", "✔", "✔", "✔", "–"),
        Row("users.end_sessions", "end all sessions, unlock", "✔", "✔", "✔", "–"),
        Row("users.tag", "tag users", "✔", "✔", "✔", "–"),
        Row("users.add_note", "write staff notes", "✔", "✔", "✔", "–"),
        Row("users.close", "close an account", "S", "S", "–", "–"),
        Row("users.reopen", "reopen a closed account", "S", "S", "–", "–"),
        Row("users.purge", "purge a closed account", "2", "–", "–", "–"),
    ),
    "Access": (
        Row("users.suspend", "suspend for up to 7 days, with a reason", "✔", "✔", "c", "–"),
        Row("users.suspend_permanently", "suspend for longer or for good", "S", "S", "–", "–"),
        Row("users.lift_restriction", "lift a restriction", "S", "S", "–", "–"),
        Row("users.limit", "limit rate or models of a user", "✔", "✔", "–", "–"),
        Row("users.edit_reason_codes", "edit the reasons of restrictions", "S", "–", "–", "–"),
        Row("users.record_appeal", "record an appeal", "✔", "✔", "✔", "–"),
        Row(
            "users.decide_appeal",
            "decide an appeal (not of one's own restriction)",
            "✔",
            "✔",
            "–",
            "–",
        ),
    ),
    "Admin": (
        Row("users.grant_role", "grant a staff role", "2", "–", "–", "–"),
        Row("users.revoke_role", "revoke a staff role", "2", "–", "–", "–"),
        Row("users.edit_roles", "edit what the roles may do", "2", "–", "–", "–"),
        Row("users.suspend_staff", "suspend a staff account of lower rank", "S", "–", "–", "–"),
        Row("users.act_on_super_admins", "act on another super admin", "2", "–", "–", "–"),
        Row("users.review_access", "sign off access reviews", "S", "–", "–", "–"),
    ),
    "Credits": (
        Row("billing.adjust_credits", "add or take credits", "S", "Sc", "c", "–"),
        Row("billing.set_credits", "set an exact balance", "S", "Sc", "–", "–"),
        Row("billing.refund_payment", "refund a payment", "S", "Sc", "–", "–"),
        Row("billing.reverse_transfer", "reverse a ledger transfer", "S", "Sc", "–", "–"),
        Row("billing.create_codes", "create, void and see redeem codes", "S", "Sc", "–", "–"),
    ),
    "Subscription": (
        Row("subscriptions.set_tier", "change the tier", "✔", "✔", "–", "–"),
        Row("subscriptions.set_expiry", "set the end date", "✔", "✔", "–", "–"),
        Row("subscriptions.extend", "extend by up to 7 days, once in 30", "✔", "✔", "c", "–"),
        Row("subscriptions.extend_long", "extend by longer, or shorten", "✔", "✔", "–", "–"),
        Row("subscriptions.pause", "pause and resume", "✔", "✔", "✔", "–"),
        Row("subscriptions.cancel_at_period_end", "cancel at period end", "✔", "✔", "✔", "–"),
        Row("subscriptions.cancel_now", "cancel at once", "✔", "S", "–", "–"),
        Row("subscriptions.reset_usage", "reset usage quotas", "✔", "c", "c", "–"),
        Row("subscriptions.override_quota", "set a user's own quota", "✔", "c", "–", "–"),
        Row("subscriptions.set_alerts", "alert thresholds of a user", "✔", "✔", "✔", "–"),
        Row("subscriptions.edit_tiers", "tiers, plans, prices, overage", "2", "–", "–", "–"),
        Row("subscriptions.inspect_tiers", "see tiers and plans", "✔", "✔", "✔", "✔"),
    ),
    "Many": (
        Row("audit.preview_many", "select many and preview", "✔", "✔", "–", "–"),
        Row("audit.act_on_many", "act on up to 1,000 at once", "S", "Sc", "–", "–"),
        Row("audit.run", "act on many, or move much, at once", "2", "2", "–", "–"),
        Row("audit.cancel_run", "cancel a run; own: without step-up", "S", "O", "–", "–"),
        Row("audit.undo_run", "undo a finished run", "S", "2", "–", "–"),
        Row("audit.approve_run", "approve what a colleague asks for", "S", "S", "–", "–"),
        Row("imports.users", "import users from CSV or Excel", "S", "S", "–", "–"),
    ),
    "Exports": (
        Row("exports.users_masked", "export users, personal data masked", "✔", "✔", "–", "✔"),
        Row("exports.users", "export users with personal data", "S", "Sc", "–", "–"),
        Row("exports.usage", "export usage reports", "✔", "✔", "–", "✔"),
        Row("exports.financial", "export financial reports", "✔", "✔", "–", "✔"),
        Row("exports.audit", "export the audit log", "S", "–", "–", "S"),
        Row("exports.download", "download an export file", "O", "O", "–", "O"),
    ),
    "Privacy": (
        Row("privacy.export", "export one person's data", "S", "S", "–", "–"),
        Row("privacy.open_request", "open a privacy request", "✔", "✔", "✔", "–"),
        Row("privacy.erase", "erase a person", "2", "–", "–", "–"),
        Row("privacy.edit_rules", "retention, legal hold, geography", "2", "–", "–", "–"),
        Row("privacy.inspect_rules", "see those rules", "✔", "✔", "–", "✔"),
        Row("users.merge", "merge duplicates, clean up", "2", "–", "–", "–"),
    ),
    "Support": (
        Row("support.tickets", "link tickets, write notes, use templates", "✔", "✔", "✔", "–"),
        Row("support.edit_templates", "edit templates", "✔", "✔", "–", "–"),
        Row("users.view_as", "view the product as a user, read-only", "S", "S", "S", "–"),
    ),
    "Settings": (
        Row("settings.edit", "settings, mail, feature flags", "2", "–", "–", "–"),
        Row("settings.inspect", "see settings that are not secret", "✔", "–", "–", "✔"),
        Row("settings.rotate_secrets", "rotate payment and webhook secrets", "2", "–", "–", "–"),
        Row("subscriptions.create_service_key", "create gateway keys", "S", "–", "–", "–"),
        Row("subscriptions.revoke_service_key", "revoke gateway keys", "✔", "–", "–", "–"),
        Row(
            "settings.edit_security",
            "second factor, password policy, allow-lists",
            "2",
            "–",
            "–",
            "–",
        ),
    ),
    "Own": (Row("account.own", "own password, second factor and sessions", "S", "S", "S", "S"),),
}

# What one person does alone, whatever the role: what is more is the row "audit.run".
APPROVAL_LIMITS = ApprovalLimits(users=1_000, credits=Decimal(100_000))

# The caps of the matrix on credits moved by hand. A super admin has none but those above.
CREDIT_LIMITS = {
    Role.USER_ADMIN: CreditLimits(
        per_act=Decimal(10_000), per_day=Decimal(100_000), approvable=True
    ),
    Role.SUPPORT: CreditLimits(
        per_act=Decimal(50),
        per_day=Decimal(1_000),
        acts_per_day=20,
        per_user_a_month=Decimal(50),
        may_take=False,
    ),
}

ROWS: dict[str, Row] = {row.code: row for rows in MATRIX.values() for row in rows}


def grant(role: str, code: str) -> Grant:
    """How ``role`` holds the permission ``code``: a cell of the matrix. KeyError for an unknown
    code."""
    row = ROWS[code]
    held: Grant = "–" if role == Role.NONE else getattr(row, role)
    return held


def holders(code: str) -> str:
    """The names of the roles that hold ``code`` in any form, for a sentence that refuses somebody
    else. KeyError for an unknown code."""
    return ", ".join(str(role.label) for role in ROLES if grant(role, code) != "–")


def holders_who_act(codes: Collection[str], *, rank_from: int) -> list[Role]:
    """The roles of this rank or a higher one that hold all of these permissions so that they can
    act by them: not masked, nor for own records only."""
    return [
        role
        for role in ROLES
        if rank(role) >= rank_from and all(set("✔S2c") & set(grant(role, code)) for code in codes)
    ]


@cache
def permissions(role: str) -> frozenset[str]:
    """The codes that ``role`` holds in any form (step-up, caps and masking are decided where they
    apply)."""
    return frozenset(code for code in ROWS if grant(role, code) != "–")


def sees_personal_data(role: str) -> bool:
    """Whether email and IP addresses are shown in full to this role."""
    return grant(role, "users.browse") == "✔"
