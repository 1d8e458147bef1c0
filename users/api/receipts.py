"""What an act did: the whole, and target by target."""

from __future__ import annotations

import uuid
from typing import Any

from django.http import HttpResponse, QueryDict
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request

from audit.models import Act, Receipt
from coai_admin.console.fields import BIGGEST
from coai_admin.console.filters import BadParameter
from users.access import Access
from users.api.acts import visible
from users.api.base import ApiView, answer, takes_no_parameters
from users.api.docs import Doc
from users.api.schemas import OUTCOME, named, page_of
from users.models import User

PAGE_SIZE = 200
OUTCOMES = {choice.name.lower(): choice for choice in Receipt.Outcome}


class Deed(ApiView):
    """An act: who did what, when, why, and to how many."""

    access = Access("api")
    doc = Doc(
        name="get_act", tag="Operations", summary="What was done, in one line", answer=named("Act")
    )

    def get(self, request: Request, act_id: uuid.UUID) -> HttpResponse:
        takes_no_parameters(self.query)
        return answer(_deed(visible(self, act_id)))


class Receipts(ApiView):
    """The receipts of an act in the order of ids, 200 at a time."""

    access = Access("api")
    doc = Doc(
        name="list_receipts",
        tag="Operations",
        summary="What was done, user by user",
        answer=page_of(named("StoredReceipt"), counted=False),
        parameters=(
            OpenApiParameter("outcome", OUTCOME),
            OpenApiParameter("after", {"type": "string"}, description="A place, from `next`."),
        ),
    )

    def get(self, request: Request, act_id: uuid.UUID) -> HttpResponse:
        outcome, after = _asked(self.query)
        rows = Receipt.objects.filter(act=visible(self, act_id), target_id__gt=after)
        if outcome:
            rows = rows.filter(outcome=OUTCOMES[outcome])
        found = list(rows.order_by("target_id")[: PAGE_SIZE + 1])
        shown = found[:PAGE_SIZE]
        people = User.objects.filter(pk__in=[row.target_id for row in shown])
        names = dict(people.values_list("pk", "username"))
        place = {"outcome": outcome} if outcome else {}
        address = reverse("api:receipts", args=[act_id])
        more = urlencode(place | {"after": shown[-1].target_id}) if len(found) > PAGE_SIZE else ""
        return answer(
            {
                "results": [_receipt(row, names.get(row.target_id, "")) for row in shown],
                "next": f"{address}?{more}" if more else None,
            }
        )


def _asked(query: QueryDict) -> tuple[str, int]:
    """The outcome and the place that are asked for. Raises BadParameter."""
    for name, values in query.lists():
        if name not in ("outcome", "after") or len(values) > 1:
            raise BadParameter(_("“%(name)s” cannot be asked for here.") % {"name": name[:40]})
    outcome, after = query.get("outcome", ""), query.get("after", "") or "0"
    if outcome and outcome not in OUTCOMES:
        raise BadParameter(
            _("“outcome” can only be one of: %(names)s.") % {"names": ", ".join(OUTCOMES)}
        )
    if not (after.isascii() and after.isdigit() and len(after) < 20 and int(after) <= BIGGEST):
        raise BadParameter(_("“%(name)s” is not a place in this list.") % {"name": "after"})
    return outcome, int(after)


def _deed(act: Act) -> dict[str, Any]:
    undone_by: Act | None = getattr(act, "undone_by", None)
    return {
        "operation_id": act.pk,
        "code": act.code,
        "actor": {"id": act.actor_id, "name": act.actor_name},
        "reason": act.reason,
        "ticket": act.ticket,
        "at": act.created_at,
        "changed": act.changed,
        "unchanged": act.unchanged,
        "refused": act.refused,
        "undoes": act.undoes_id,
        "undone_by": undone_by.pk if undone_by else None,
    }


def _receipt(row: Receipt, name: str) -> dict[str, Any]:
    return {
        "user": row.target_id,
        "name": name,
        "outcome": Receipt.Outcome(row.outcome).name.lower(),
        "refusal": row.refusal or None,
    }
