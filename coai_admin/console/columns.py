"""Columns of a listing: one declaration for the page, the export and the REST list."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, IntEnum
from typing import Any, Protocol

from django.utils.functional import Promise

from coai_admin.console.keyset import Sort


class Viewer(Protocol):
    """Whoever reads a listing, as far as columns need to know: their permissions."""

    def may(self, code: str, /) -> bool: ...


class Kind(Enum):
    """What a column holds: how it is aligned on the page and typed in an export."""

    TEXT = "text"
    NUMBER = "number"
    MONEY = "money"
    DATE = "date"
    STATE = "state"


class Sight(IntEnum):
    """How much of a column somebody sees."""

    NONE = 0
    MASKED = 1
    FULL = 2


def everybody(_viewer: Viewer) -> Sight:
    """Everybody who may open the listing sees the column in full."""
    return Sight.FULL


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of a listing.

    ``sort``: how rows are ordered by it; None where that makes no sense. ``read(now)``: its value
    in an export, as an expression of the listing's queryset; None keeps it out of exports.
    ``mask``: what an export shows instead to those who see it masked. ``sight``: who sees how much
    of it. Whoever does not see all of a column cannot sort by it, and the listing's filters of the
    same name refuse what would give it away. ``on_page``: False for what only exports hold.
    ``css``: more classes of its header cell; "start" puts the header of figures at the start.

    Where readers choose their columns (``Listing.choosable``): ``pinned`` columns stand first and
    always, those with ``default=False`` only where somebody asked for them. ``fetch(ids)`` brings
    what the page shows of a column by one statement of its own, by id; it runs only when the column
    is shown.
    """

    name: str
    label: str | Promise
    kind: Kind = Kind.TEXT
    sort: Sort | None = None
    read: Callable[[datetime], Any] | None = None
    mask: Callable[[datetime], Any] | None = None
    sight: Callable[[Viewer], Sight] = field(default=everybody)
    on_page: bool = True
    css: str = ""
    pinned: bool = False
    default: bool = True
    fetch: Callable[[Sequence[int]], Mapping[int, Any]] | None = None

    @property
    def numeric(self) -> bool:
        return self.kind in {Kind.NUMBER, Kind.MONEY}

    @property
    def classes(self) -> str:
        """The classes of its header cell."""
        return f"num {self.css}".rstrip() if self.numeric and self.css != "start" else self.css
