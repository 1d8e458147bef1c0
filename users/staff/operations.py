"""Granting and revoking staff roles, as operations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audit.forms import OperationForm
from audit.operations import Operation, by_deciding, users
from audit.procedures import ActContext
from users import roles
from users.roles import Role
from users.staff import services, staffing
from users.staff.forms import GrantRoleForm


def below_oneself(act: ActContext, ids: Sequence[int]) -> str | None:
    """The ceiling: nobody grants their own rank or a higher one."""
    if roles.rank(act.params["role"]) < act.actor.rank:
        return None
    return _("You grant roles below your own. A super admin is made by the command grant_role.")


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


GRANT_ROLE = Operation(
    procedure=staffing.GRANT,
    service=services.grant_role,
    inverse=staffing.UNDO_GRANT,
    label=gettext_lazy("Grant a role"),
    sentence=_grant_sentence,
    done=_grant_done,
    form=GrantRoleForm,
    icon="roles",
    cap=below_oneself,
    # No role is "": what stands in the way of granting any.
    obstacles=by_deciding(staffing.GRANT, "", params={"role": ""}),
)
REVOKE_ROLE = Operation(
    procedure=staffing.REVOKE,
    service=services.revoke_role,
    inverse=staffing.UNDO_REVOKE,
    label=gettext_lazy("Revoke the role"),
    sentence=_revoke_sentence,
    done=_revoke_done,
    form=OperationForm,
    icon="minus",
    obstacles=by_deciding(staffing.REVOKE, gettext_lazy("Has no role.")),
)
OPERATIONS = (GRANT_ROLE, REVOKE_ROLE)
