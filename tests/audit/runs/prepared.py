"""Runs at every stage, as people and workers bring them there."""

import uuid
from datetime import timedelta

from django.utils.timezone import now

from audit.models import Run, Selection
from audit.registry import operations
from audit.runs import approving, drafting, steering, working
from tests.factories import make_staff
from users.roles import Role

GIFT = {"delta": ["5"], "reason": ["an outage"]}


def select(ids, owner):
    moment = now()
    return Selection.objects.create(
        id=uuid.uuid4(), owner=owner, ids=sorted(ids), expires_at=moment + timedelta(hours=1)
    )


def draft(ids, *, code="billing.adjust_credits", data=None, actor=None):
    """A run that nobody looked at yet."""
    actor = actor or make_staff(Role.SUPER_ADMIN)
    form = GIFT if data is None else data
    return drafting.draft(operations()[code], select(ids, actor), form, actor=actor, now=now())


def worked(run):
    """The run after workers did all they can."""
    while working.work():
        pass
    run.refresh_from_db()
    return run


def previewed(ids, **more):
    return worked(draft(ids, **more))


def started(ids, **more):
    """A run that is confirmed, and that nobody works on yet."""
    run = previewed(ids, **more)
    confirmed(run, reason="an outage", ticket="T-9")
    run.refresh_from_db()
    return run


def confirmed(run, **more):
    """Confirm a run; where it takes two people, another super admin approves it."""
    run = steering.confirm(run.pk, actor=run.owner, now=now(), **more)
    if run.state == Run.State.WAITING:
        approving.approve(run.pk, actor=make_staff(Role.SUPER_ADMIN), now=now())


def finished(ids, **more):
    return worked(started(ids, **more))


def is_in(run, state):
    run.refresh_from_db()
    return run.state == Run.State[state]
