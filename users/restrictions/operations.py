"""What restricts people, as operations: suspend, lift a restriction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from audit import people
from audit.guards import (
    HIGHEST_RANK,
    ON_SUPER_ADMINS,
    not_oneself,
    on_super_admins,
    outranks_or_is_approved,
)
from audit.operations import Operation, Reading, always
from audit.procedures import ActContext, Case, Over, Refusal
from users import accounts
from users.accounts import Account
from users.models import Restriction
from users.restrictions import restricting, services
from users.restrictions.forms import LiftForm, SuspendForm

SHORT_SUSPENSION = timedelta(days=7)


def staff_only_by_super(case: Case) -> Refusal | None:
    """Staff are suspended by those whom the matrix lets."""
    if case.target.rank > 0 and not case.actor.may("users.suspend_staff"):
        return Refusal(_("Only a super admin restricts staff."))
    return None


def short_unless_allowed(act: ActContext, ids: Sequence[int]) -> Over | None:
    """Support suspends for up to seven days."""
    if _is_short(act.params["ends_at"], act.now) or act.actor.may("users.suspend_permanently"):
        return None
    return Over(_("Your role suspends for at most 7 days; ask a user admin for longer."))


def _is_short(ends_at: datetime | None, now: datetime) -> bool:
    return ends_at is not None and ends_at - now <= SHORT_SUSPENSION


def long_or_of_staff(params: Mapping[str, Any], ids: Sequence[int], now: datetime) -> list[str]:
    """A suspension for longer, and one of staff, have permissions of their own."""
    needed = [] if _is_short(params["ends_at"], now) else ["users.suspend_permanently"]
    ranks = {person.rank for person in people.look_up(ids).values()}
    if ranks - {0}:
        needed.append("users.suspend_staff")
    return [*needed, *([ON_SUPER_ADMINS] if HIGHEST_RANK in ranks else [])]


def _until(ends_at: datetime | None) -> str:
    if ends_at is None:
        return _("for good")
    return _("until %(moment)s UTC") % {"moment": date_format(ends_at, "j M Y, H:i")}


def _count(number: int) -> str:
    return ngettext("%(n)s user", "%(n)s users", number) % {"n": f"{number:,}"}


def _suspend_sentence(params: Mapping[str, Any], number: int) -> str:
    return _("Suspend %(users)s %(until)s") % {
        "users": _count(number),
        "until": _until(params["ends_at"]),
    }


def _suspend_done(params: Mapping[str, Any], number: int) -> str:
    return _("Suspended %(users)s.") % {"users": _count(number)}


def _lift_sentence(params: Mapping[str, Any], number: int) -> str:
    return _("Lift the %(kind)s of %(users)s") % {
        "kind": Restriction.Kind(params["kind"]).label,
        "users": _count(number),
    }


def _lift_done(params: Mapping[str, Any], number: int) -> str:
    return _("Lifted the %(kind)s of %(users)s.") % {
        "kind": Restriction.Kind(params["kind"]).label,
        "users": _count(number),
    }


def _nothing_to_lift(row: Account, now: datetime) -> str:
    return "" if any(now in span for span in row.restrictions) else _("Not restricted.")


SUSPEND = Operation(
    procedure=restricting.SUSPEND,
    service=services.suspend,
    inverse=restricting.UNDO_SUSPEND,
    label=gettext_lazy("Suspend"),
    sentence=_suspend_sentence,
    done=_suspend_done,
    grave=always,
    form=SuspendForm,
    icon="suspend",
    guards=(not_oneself, outranks_or_is_approved, staff_only_by_super),
    cap=short_unless_allowed,
    obstacles=accounts.NOT_CLOSED,
    also=long_or_of_staff,
    undone_as=restricting.LIFT.code,
)
LIFT_RESTRICTION = Operation(
    procedure=restricting.LIFT,
    service=services.lift_restriction,
    inverse=restricting.UNDO_LIFT,
    label=gettext_lazy("Lift restriction"),
    sentence=_lift_sentence,
    done=_lift_done,
    form=LiftForm,
    icon="lift",
    guards=(not_oneself, outranks_or_is_approved, staff_only_by_super),
    obstacles=Reading(accounts.load, _nothing_to_lift),
    also=on_super_admins,
)
OPERATIONS = (SUSPEND, LIFT_RESTRICTION)
