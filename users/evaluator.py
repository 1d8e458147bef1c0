"""“May Ana suspend ivan?”: what the console would answer, and which rule decides. It asks the same
functions that enforce (``audit.operations``), so it cannot disagree with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db import models
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audit import operations
from audit.execution import OperationRefused
from audit.guards import not_oneself, outranks, outranks_or_is_approved
from audit.operations import MenuItem, Operation
from audit.procedures import Guard
from users import roles
from users.models import Restriction, User
from users.restrictions.operations import staff_only_by_super
from users.second_factor import authenticators
from users.sign_in.step_up import needs_step_up


class Rule(models.TextChoices):
    """What decides; the value is the anchor of the page of roles that explains it."""

    SIGN_IN = "sign-in", gettext_lazy("Who is not let in does nothing")
    MATRIX = "matrix", gettext_lazy("The role matrix")
    MANY = "many", gettext_lazy("Acting on many at once")
    SELF = "self", gettext_lazy("Nobody acts on their own account")
    RANK = "rank", gettext_lazy("One acts only on people of lower rank")
    STAFF = "staff", gettext_lazy("Only a super admin restricts staff")
    GUARD = "guard", gettext_lazy("A rule of this act")
    STATE = "state", gettext_lazy("The state of the account")
    STEP_UP = "step-up", gettext_lazy("Confirming that it is you")
    LIMITS = "limits", gettext_lazy("Limits of the role")


_GUARDS: dict[Guard, Rule] = {
    not_oneself: Rule.SELF,
    outranks: Rule.RANK,
    outranks_or_is_approved: Rule.RANK,
    staff_only_by_super: Rule.STAFF,
}


@dataclass(frozen=True, slots=True)
class Answer:
    """Whether one target may be acted on. ``sentence``: what the actor would read; ``rule``: what
    decided, for a yes the permission; ``conditions``: what a yes still asks for."""

    target: User | None
    allowed: bool
    sentence: str
    rule: Rule
    conditions: tuple[tuple[Rule, str], ...] = ()


def evaluate(
    actor: User, operation: Operation, targets: Sequence[User], *, now: datetime
) -> list[Answer]:
    """The answer for each target, or one for all (``target`` is None) where the actor may not do
    it to so many, or at all. A constant number of statements."""
    if why := _kept_out(actor, now):
        return [Answer(None, allowed=False, sentence=why, rule=Rule.SIGN_IN)]
    ids = [target.pk for target in targets]
    try:
        operations.require(operation, ids, actor=actor)
    except (PermissionDenied, OperationRefused) as refusal:
        rule = Rule.MANY if actor.may(operation.code) else Rule.MATRIX
        return [Answer(None, allowed=False, sentence=str(refusal), rule=rule)]
    menus = operations.menus([operation], ids, actor=actor, now=now)
    conditions = _conditions(actor, operation, len(ids))
    return [
        _answer(target, menus[target.pk][0], conditions) for target in targets if target.pk in menus
    ]


def _kept_out(actor: User, now: datetime) -> str:
    """As the sign-in and every request decide it."""
    if actor.closed_at is not None:
        return _("%(name)s's account is closed.") % {"name": actor.username}
    suspended = Restriction.objects.live(now).filter(user=actor, kind=Restriction.Kind.SUSPENSION)
    if suspended.exists():
        return _("%(name)s is suspended.") % {"name": actor.username}
    if actor.must_change_password:
        return _("%(name)s must choose a new password first.") % {"name": actor.username}
    if settings.REQUIRE_STAFF_MFA and not authenticators.is_enrolled(actor):
        return _("%(name)s must set up a second factor first.") % {"name": actor.username}
    return ""


def _answer(target: User, item: MenuItem, conditions: tuple[tuple[Rule, str], ...]) -> Answer:
    if not item.refusal:
        return Answer(target, allowed=True, sentence="", rule=Rule.MATRIX, conditions=conditions)
    rule = _GUARDS.get(item.guard, Rule.GUARD) if item.guard else Rule.STATE
    return Answer(target, allowed=False, sentence=item.refusal, rule=rule)


def _conditions(actor: User, operation: Operation, number: int) -> tuple[tuple[Rule, str], ...]:
    codes = [operation.code, *(["audit.act_on_many"] if number > 1 else [])]
    found = []
    if any(needs_step_up(actor.role, code) for code in codes):
        found.append(
            (Rule.STEP_UP, _("They are asked to confirm that it is them, if they have not lately."))
        )
    if any("c" in roles.grant(actor.role, code) for code in codes):
        found.append((Rule.LIMITS, _("What is asked for must stay within the limits.")))
    return tuple(found)
