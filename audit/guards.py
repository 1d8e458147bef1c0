"""On whom one acts: guards that operations share. Each judges one target, under lock where the act
is done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from audit import people
from audit.procedures import Case, Refusal

ON_SUPER_ADMINS = "users.act_on_super_admins"
HIGHEST_RANK = 3


def not_oneself(case: Case) -> Refusal | None:
    """Nobody acts on their own account."""
    if case.actor.pk == case.target_id:
        return Refusal(_("This is your own account; ask a colleague."))
    return None


def outranks(case: Case) -> Refusal | None:
    """One acts only on people of strictly lower rank."""
    if case.actor_rank <= case.target.rank:
        return Refusal(_("Ranks at or above you."))
    return None


def outranks_or_is_approved(case: Case) -> Refusal | None:
    """The same, but a super admin acts on another where a second one approves it."""
    if case.approved and case.actor_rank == case.target.rank == HIGHEST_RANK:
        return None
    return outranks(case)


def on_super_admins(params: Mapping[str, Any], ids: Sequence[int], now: datetime) -> list[str]:
    """For ``Operation.also``: acting on a super admin has a permission of its own."""
    ranks = [person.rank for person in people.look_up(ids).values()]
    return [ON_SUPER_ADMINS] if HIGHEST_RANK in ranks else []
