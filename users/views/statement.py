"""The history of a user's credits as a file."""

from __future__ import annotations

import uuid

from django.http import HttpResponseBase
from django.utils.timezone import now as time_now
from django.views.decorators.http import require_POST

from audit import record
from billing.listing import history
from coai_admin.console import exports
from users import reports
from users.access import permission
from users.requests import StaffRequest
from users.views.user import vanished

ACTION = "exports.statement"


@permission("exports.users_masked")
@require_POST
def statement(request: StaffRequest, user_id: int) -> HttpResponseBase:
    """One user's transfers as CSV, as filtered and ordered on the page; on the record, with how
    much of it left."""
    person = reports.person(user_id)
    if person is None:
        return vanished(request, user_id)
    reading = history(user_id).read(request.GET, viewer=request.user, now=time_now())
    target = ("user", person.pk, person.username)
    export, sent = uuid.uuid4(), exports.Sent()

    def finished() -> None:
        changes = {"export": export, "rows": sent.rows, "complete": sent.complete}
        actor, now = request.user, time_now()
        record.entry(ACTION, actor=actor, now=now, target=target, changes=changes)

    facts = {"export": export, "filter": reading.query}
    record.entry(ACTION, actor=request.user, now=reading.now, target=target, changes=facts)
    columns = exports.fields(reading, masked=True)
    blocks = exports.csv(reading.ordered(), columns, sent=sent)
    name = f"statement-{person.pk}"
    return exports.response(name, blocks, finished=finished, now=reading.now, export=export)
