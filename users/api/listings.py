"""A listing as JSON: the same filters, sorts, places and count as the page has."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.urls import reverse

from coai_admin.console.columns import Sight, Viewer
from coai_admin.console.counts import among
from coai_admin.console.listing import Listing, Reading


@dataclass(frozen=True, slots=True)
class Record:
    """One row: its values by column, as its reader may see them."""

    pk: int
    values: dict[str, Any]


def as_records(listing: Listing[Any]) -> Listing[Record]:
    """The listing with rows that hold every column, as an export has them."""

    def facts(ids: Sequence[int], viewer: Viewer, now: datetime) -> list[Record]:
        return records(listing, ids, viewer=viewer, now=now)

    return replace(listing, facts=facts, extra=frozenset(), choosable=False)


def records(
    listing: Listing[Any], ids: Sequence[int], *, viewer: Viewer, now: datetime
) -> list[Record]:
    """These rows in any order, in one statement: the columns that this viewer sees, masked where
    they see them masked."""
    read: dict[str, Any] = {}
    for column in listing.columns:
        sight = column.sight(viewer)
        value = column.mask if column.mask and sight is Sight.MASKED else column.read
        if sight is not Sight.NONE and value is not None:
            read[f"_{column.name}"] = value(now)
    rows = listing.rows(viewer, now).filter(among(list(ids), listing.pk)).annotate(**read)
    return [
        Record(pk, {name[1:]: value for name, value in zip(read, values, strict=True)})
        for pk, *values in rows.values_list(listing.pk, *read)
    ]


def page(reading: Reading[Any], url_name: str, row: Callable[[Any], Any]) -> dict[str, Any]:
    """The page that was asked for; ``next`` and ``previous`` are addresses, null at the ends."""
    found, address = reading.page(), reverse(url_name)
    return {
        "results": [row(one) for one in found.rows],
        "count": {"number": reading.count.number, "more": reading.count.more},
        "next": f"{address}{found.next}" if found.next else None,
        "previous": f"{address}{found.previous}" if found.previous else None,
    }
