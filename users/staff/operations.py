"""Granting and revoking staff roles, as operations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audit.forms import OperationForm
from audit.guards import not_oneself, on_super_admins, outranks_or_is_approved
from audit.operations import Operation, always, by_deciding, users
from audit.procedures import ActContext, Over
from users import roles
from users.roles import Role
from users.staff import services, staffing
from users.staff.forms import GrantRoleForm


def not_above_oneself(act: ActContext, ids: Sequence[int]) -> Over | None:
    """The ceiling: nobody grants a higher rank than their own, or alone their own."""
    rank = roles.rank(act.params["role"])
    if rank < act.actor.rank:
        return None
    return Over(_("This is as high a role as one's own."), approvable=rank == act.actor.rank)


def _grant_sentence(params: Mapping[str, Any], number: int) -> str:
    return _("Make %(users)s %(role)s") % {
        "users": users(number),
        "role": Role(params["role"]).label,
    }


def _grant_done(params: Mapping[str, Any], number: int) -> str:
    return _("%(users)s: now %(role)s.") % {
        "users": users(number),
        "role": Role(params["role"]).label,
    }


def _revoke_sentence(params: Mapping[str, Any], number: int) -> str:
    return _("Revoke the role of %(users)s") % {"users": users(number)}


def _revoke_done(params: Mapping[str, Any], number: int) -> str:
    return _("Revoked the role of %(users)s.") % {"users": users(number)}


_OVER_PEERS = (not_oneself, outranks_or_is_approved)
GRANT_ROLE = Operation(
    procedure=staffing.GRANT,
    service=services.grant_role,
    inverse=staffing.UNDO_GRANT,
    label=gettext_lazy("Grant a role"),
    sentence=_grant_sentence,
    done=_grant_done,
    grave=always,
    form=GrantRoleForm,
    icon="roles",
    cap=not_above_oneself,
    # No role is "": what stands in the way of granting any.
    obstacles=by_deciding(staffing.GRANT, "", params={"role": ""}),
    guards=_OVER_PEERS,
    also=on_super_admins,
)
REVOKE_ROLE = Operation(
    procedure=staffing.REVOKE,
    service=services.revoke_role,
    inverse=staffing.UNDO_REVOKE,
    label=gettext_lazy("Revoke the role"),
    sentence=_revoke_sentence,
    done=_revoke_done,
    grave=always,
    form=OperationForm,
    icon="minus",
    obstacles=by_deciding(staffing.REVOKE, gettext_lazy("Has no role.")),
    guards=_OVER_PEERS,
    also=on_super_admins,
)
OPERATIONS = (GRANT_ROLE, REVOKE_ROLE)
