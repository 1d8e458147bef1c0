"""Users: the list, and one of them."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpResponse
from rest_framework.request import Request

from coai_admin.console.fields import BIGGEST
from users.access import Access
from users.api.base import ApiView, answer, takes_no_parameters
from users.api.docs import Doc
from users.api.listings import Record, as_records, page, records
from users.api.schemas import RESTRICTION, listed, page_of, row_of
from users.reports import restrictions
from users.table import USERS

LISTING = as_records(USERS)


class Users(ApiView):
    """The user table."""

    access = Access("api", "users.browse")
    doc = Doc(
        name="list_users",
        tag="Users",
        summary="The user table",
        text="Same filters, orders and places as the page. Columns are those that the caller sees.",
        answer=page_of(row_of(USERS)),
        listing=USERS,
    )

    def get(self, request: Request) -> HttpResponse:
        reading = LISTING.read(self.query, viewer=self.caller, now=self.now)
        return answer(page(reading, "api:users", _values))


class User(ApiView):
    """One user: the columns of the table, and the restrictions of the past, present and future."""

    access = Access("api", "users.inspect")
    doc = Doc(
        name="get_user",
        tag="Users",
        summary="One user",
        answer=row_of(USERS, {"restrictions": listed(RESTRICTION)}),
    )

    def get(self, request: Request, user_id: int) -> HttpResponse:
        takes_no_parameters(self.query)
        if user_id > BIGGEST:
            raise Http404
        found = records(USERS, [user_id], viewer=self.caller, now=self.now)
        if not found:
            raise Http404
        held = [
            {
                "kind": one.kind,
                "reason": one.reason_id,
                "public_text": one.public_text,
                "starts_at": one.starts_at,
                "ends_at": one.ends_at,
                "lifted_at": one.lifted_at,
                "holds": one.is_live(self.now),
            }
            for one in restrictions(user_id)
        ]
        return answer({**found[0].values, "restrictions": held})


def _values(record: Record) -> dict[str, Any]:
    return record.values
