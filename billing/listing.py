"""The history of one user's credits as a list, with the balance after each transfer."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from django import forms
from django.db import models
from django.db.models import F
from django.utils.translation import gettext_lazy as _

from audit import people
from audit.models import Act
from audit.people import Person
from audit.targets import among, array
from billing.models import Transfer, TransferCode
from coai_admin.console.columns import Column, Kind, Viewer
from coai_admin.console.filters import AnyOf, DayFrom, DayTo, Filters
from coai_admin.console.keyset import Sort
from coai_admin.console.listing import Listing
from coai_admin.console.statements import statement


@dataclass(frozen=True, slots=True)
class Booking:
    """A transfer as the page shows it. ``act``: the act it was booked by, where it was done by
    hand."""

    transfer: Transfer
    actor_name: str
    act: Act | None

    @property
    def pk(self) -> int:
        return self.transfer.pk


@cache
def _codes() -> list[tuple[str, str]]:
    """Every kind of transfer; the rows change with migrations only."""
    return list(TransferCode.objects.order_by("code").values_list("name", "label"))


class CodeFilter(AnyOf):
    """Transfers of some kinds."""

    field_class = forms.MultipleChoiceField


class TransferFilters(Filters):
    """What the history can be asked for."""

    kind = CodeFilter("code__name", label=_("Kind"), choices=_codes)
    since = DayFrom("created_at", label=_("From"))
    until = DayTo("created_at", label=_("To"))


def _bookings(ids: Collection[int]) -> list[Booking]:
    """These transfers with who booked them, in any order, in three statements."""
    transfers = _transfers(array(ids))
    names = _names({transfer.actor_id for transfer in transfers if transfer.actor_id})
    acts = _acts({transfer.group_id for transfer in transfers if transfer.group_id})
    return [_booking(transfer, names, acts) for transfer in transfers]


@statement
def _transfers(ids: Any) -> models.QuerySet[Transfer]:
    return Transfer.objects.filter(among("pk", ids)).select_related("code")


def _names(ids: set[int]) -> dict[int, Person]:
    return people.look_up(ids) if ids else {}


def _acts(ids: set[uuid.UUID]) -> dict[uuid.UUID, Act]:
    return Act.objects.in_bulk(ids) if ids else {}


def _booking(
    transfer: Transfer, names: Mapping[int, Person], acts: Mapping[uuid.UUID, Act]
) -> Booking:
    act = acts.get(transfer.group_id) if transfer.group_id else None
    person = names.get(transfer.actor_id) if transfer.actor_id else None
    return Booking(transfer, person.name if person else act.actor_name if act else "", act)


def history(user_id: int) -> Listing[Booking]:
    """The list of one user's transfers, newest first. The account's version orders them: it grows
    by one with each."""

    def facts(ids: Sequence[int], viewer: Viewer, now: datetime) -> list[Booking]:
        return _bookings(ids)

    def rows(viewer: Viewer, now: datetime) -> models.QuerySet[Any]:
        return Transfer.objects.of_user(user_id)

    booked = Column(
        name="booked",
        label=_("When"),
        kind=Kind.DATE,
        read=lambda now: F("created_at"),
        sort=Sort(key="account_version", field=models.BigIntegerField()),
    )
    return Listing(
        name="history",
        rows=rows,
        columns=(
            booked,
            Column(name="kind", label=_("What"), read=lambda now: F("code__label")),
            Column(name="delta", label=_("Change"), kind=Kind.MONEY, read=lambda now: F("delta")),
            Column(
                name="balance",
                label=_("Balance after"),
                kind=Kind.MONEY,
                read=lambda now: F("balance_after"),
            ),
            Column(name="actor", label=_("By"), read=lambda now: F("actor_id")),
            Column(name="reason", label=_("Why"), read=lambda now: F("reason")),
        ),
        default="-booked",
        filters=TransferFilters,
        facts=facts,
        extra=frozenset({"tab"}),
    )
