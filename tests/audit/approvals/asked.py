"""Requests for approval, as people bring them about."""

from django.utils.timezone import now

from audit.models import Approval
from audit.registry import operations
from audit.runs import asking, working
from tests.factories import make_staff, make_users
from users.roles import Role

LARGE = "150000"  # credits: more than one person moves


def ask(code, ids, data, *, actor, reason="an outage", **more):
    """A run that waits for a second person."""
    return asking.ask_for(
        operations()[code],
        ids,
        data | {"reason": [reason]},
        actor=actor,
        now=now(),
        reason=reason,
        ticket="T-9",
        **more,
    )


def large_gift(ids=None, *, actor=None, delta=LARGE):
    """A gift so large that a colleague must approve it."""
    actor = actor or make_staff(Role.SUPER_ADMIN)
    return ask("billing.adjust_credits", ids or make_users(1), {"delta": [delta]}, actor=actor)


def role_for(user, role="support", *, actor=None):
    actor = actor or make_staff(Role.SUPER_ADMIN)
    return ask("users.grant_role", [user.pk], {"role": [role]}, actor=actor)


def approval_of(run):
    return Approval.objects.select_related("run").get(run=run)


def work():
    """Workers do all they can."""
    while working.work():
        pass
