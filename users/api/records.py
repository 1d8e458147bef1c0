"""The audit log."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from rest_framework.request import Request

from audit.listing import ENTRIES
from audit.reports import INSPECT, Line
from users.access import Access
from users.api.base import ApiView, answer
from users.api.docs import Doc
from users.api.listings import page
from users.api.schemas import named, page_of


class Entries(ApiView):
    """What was done, newest first, as this reader may read it."""

    access = Access("api", INSPECT)
    doc = Doc(
        name="list_entries",
        tag="Audit",
        summary="The audit log",
        text="Same filters and places as the page.",
        answer=page_of(named("Entry")),
        listing=ENTRIES,
    )

    def get(self, request: Request) -> HttpResponse:
        reading = ENTRIES.read(self.query, viewer=self.caller, now=self.now)
        return answer(page(reading, "api:audit", _entry))


def _entry(line: Line) -> dict[str, Any]:
    return {
        "id": line.pk,
        "at": line.at,
        "action": line.code,
        "actor": {"id": line.actor_id, "name": line.actor_name},
        "acting_for": line.acting_for_id,
        "target": {"type": line.target_type, "id": line.target_id, "name": line.target_name},
        "changes": [
            {"field": name, "before": before, "after": after}
            for name, before, after, _pair in line.changes
        ],
        "reason": line.reason,
        "ticket": line.ticket,
        "ip": line.ip,
        "request_id": line.request_id,
        "operation_id": line.act_id,
        "undoes": line.undoes,
    }
