"""The cells of the user table: one function for each column that the page can show.

Fifty rows of fifteen cells cost milliseconds, so rows are put together here, not by a template;
what repeats is kept. A cell takes the row and the sheet, and gives its whole ``<td>`` as HTML:
everything of a row is escaped where its cell is put together.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import ROUND_DOWN, Decimal
from functools import cached_property, lru_cache
from html import escape
from typing import Any, Protocol
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.timezone import localtime
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from coai_admin.console.templatetags.console import (
    credits,
    icon,
    mark,
    moment,
    state,
    tier,
)
from users.status import Status
from users.table.columns import COLUMNS, EMAIL_STATES
from users.table.rows import UserRow

_MARKS = {
    Status.ACTIVE: "good",
    Status.LIMITED: "warn",
    Status.SUSPENDED: "bad",
    Status.BANNED: "bad",
    Status.CLOSED: "none",
}
_CENT = Decimal("0.01")
_ADDRESS_MARKS = {"pending": "wait", "suppressed": "warn"}


class Picked(Protocol):
    """Who is selected. ``here``: of these rows; ``blocked``: those on whom nothing can be done,
    with the reason."""

    @property
    def here(self) -> Collection[int]: ...

    @property
    def blocked(self) -> Mapping[int, str]: ...


@dataclass
class Sheet:
    """What all cells of a page share. ``here``: the address of the table, ``query``: what it was
    asked for. ``more``: what columns fetched by themselves, by column and id."""

    now: datetime
    here: str
    query: str
    more: Mapping[str, Mapping[int, Any]]

    @cached_property
    def labels(self) -> dict[str, str]:
        """The names of the facts that a narrow screen shows beside their values."""
        return {column.name: escape(str(column.label)) for column in COLUMNS}

    @cached_property
    def language(self) -> str | None:
        return get_language()

    @cached_property
    def way_back(self) -> str:
        """What the pages of acts are told, so that they lead back to this list."""
        return escape(urlencode({"list": self.query}))

    @cached_property
    def select(self) -> str:
        """How the box of a row is called, with a place for the name."""
        return escape(_("Select %(name)s"))

    @cached_property
    def look(self) -> str:
        """How the quick look at a row is called, with a place for the name."""
        return escape(_("Quick look at %(name)s"))

    @cached_property
    def acts(self) -> str:
        """How the menu of a row is called, with a place for the name."""
        return escape(_("Acts on %(name)s"))

    @cached_property
    def copy(self) -> tuple[str, str]:
        return escape(_("Copy ID")), icon("copy", 14)

    def moment(self, at: datetime | None, form: str = "relative") -> str:
        return moment({"now": self.now}, at, form)

    def fetched(self, column: str, pk: int) -> Any:
        """What the column fetched of this row; None where there is nothing."""
        return self.more.get(column, {}).get(pk)


def sheet(now: datetime, query: str, more: Mapping[str, Mapping[int, Any]]) -> Sheet:
    """The sheet of a page that is drawn now."""
    return Sheet(now, reverse("users:list"), query, more)


def money(amount: Decimal) -> str:
    """Credits to two places; where there are more, all of them show when one points at it."""
    exact = credits(amount)
    if exact[-3] == ".":
        return exact
    return f'<span title="{exact}">{credits(amount.quantize(_CENT, ROUND_DOWN))}</span>'


def user_state(row: UserRow, language: str | None) -> SafeString:
    """The status of a user by shape, word and colour: ``Suspended to 12 Dec 2026``."""
    until = localtime(row.until).date() if row.until else None
    return _state(row.status, until, language, warned=row.warned)


@lru_cache(maxsize=2048)
def _state(
    status: Status, until: date | None, _language: str | None, *, warned: bool
) -> SafeString:
    if warned and status == Status.ACTIVE:
        return state("warn", _("Active, warned"))
    if until is None:
        return state(_MARKS[status], status.label)
    words = {"status": status.label, "day": date_format(until, "j M Y")}
    return state(_MARKS[status], _("%(status)s to %(day)s") % words)


@lru_cache(maxsize=64)
def _email_mark(known: str, _language: str | None) -> SafeString:
    """What is known of an address: a shape, with its word for whoever cannot see it."""
    return format_html(
        '<span class="address-mark" title="{0}">{1}<span class="hush">{0}</span></span>',
        EMAIL_STATES[known],
        icon("check", 12) if known == "verified" else mark(_ADDRESS_MARKS.get(known, "bad")),
    )


def plan(row: UserRow) -> str:
    """The plan of a subscription that runs or ran; blank without one."""
    if row.subscription == "ended":
        return _("%(plan)s, ended") % {"plan": row.plan}
    return row.plan


def _username(row: UserRow, sheet: Sheet) -> str:
    name = escape(row.username)
    return (
        f'<th scope="row" class="pin-name c-name"><a class="name cut" href="{sheet.here}{row.pk}/"'
        f' title="{name}"><bdi>{name}</bdi></a></th>'
    )


def _id(row: UserRow, sheet: Sheet) -> str:
    label, drawing = sheet.copy
    return (
        f'<td class="num id">{row.pk}<button type="button" class="copy" data-copy="{row.pk}"'
        f' aria-label="{label}">{drawing}</button></td>'
    )


def _email(row: UserRow, sheet: Sheet) -> str:
    if not row.email:
        return '<td class="soft c-sub"></td>'
    address = escape(row.email)
    return (
        f'<td class="soft c-sub"><span class="address"><span class="cut" title="{address}">'
        f"<bdi>{address}</bdi></span>{_email_mark(row.email_state, sheet.language)}</span></td>"
    )


def _fact(place: int, name: str, value: object, sheet: Sheet, css: str = "") -> str:
    """A cell that narrow screens show too, with its name."""
    classes = f"{css} c-fact c-{place}".lstrip()
    return f'<td class="{classes}" data-label="{sheet.labels[name]}">{value}</td>'


@lru_cache(maxsize=64)
def _badge(level: int, _language: str | None) -> SafeString | str:
    return tier(level)


def _subscription(row: UserRow, sheet: Sheet) -> str:
    faint = ' class="faint"' if row.subscription == "ended" else ""
    text = escape(plan(row)) if row.subscription != "none" else ""
    return f"<td{faint}>{text}</td>"


def _expires(row: UserRow, sheet: Sheet) -> str:
    text = ""
    if row.ends_at:
        text = sheet.moment(row.ends_at, "date")
    elif row.subscription == "active":
        text = f'<span class="faint">{escape(_("no end"))}</span>'
    return _fact(4, "expires", text, sheet, "faint" if row.subscription == "ended" else "")


def _role(row: UserRow, sheet: Sheet) -> str:
    return f"<td>{escape(str(row.role.label)) if row.role else ''}</td>"


def _email_state(row: UserRow, sheet: Sheet) -> str:
    return f"<td>{escape(str(EMAIL_STATES[row.email_state])) if row.email_state else ''}</td>"


def _tags(row: UserRow, sheet: Sheet) -> str:
    tags = sheet.fetched("tags", row.pk) or ()
    badges = " ".join(f'<span class="badge"><bdi>{escape(tag)}</bdi></span>' for tag in tags)
    return f'<td class="tags">{badges}</td>'


def _second_factor(row: UserRow, sheet: Sheet) -> str:
    return f"<td>{state('good', _('On')) if sheet.fetched('second_factor', row.pk) else ''}</td>"


def _soft(value: object, css: str = "") -> str:
    return f'<td class="{css}soft">{value}</td>'


Cell = Callable[[UserRow, Sheet], str]
CELLS: dict[str, Cell] = {
    "username": _username,
    "id": _id,
    "email": _email,
    "email_state": _email_state,
    "status": lambda row, sheet: f'<td class="c-state">{user_state(row, sheet.language)}</td>',
    "tier": lambda row, sheet: _fact(1, "tier", _badge(row.tier, sheet.language), sheet),
    "credits": lambda row, sheet: _fact(2, "credits", money(row.credits), sheet, "num"),
    "used": lambda row, sheet: _soft(money(row.used), "num "),
    "subscription": _subscription,
    "months": lambda row, sheet: _soft(row.months or "", "num "),
    "expires": _expires,
    "seen": lambda row, sheet: _fact(3, "seen", sheet.moment(row.last_seen_at), sheet, "soft"),
    "joined": lambda row, sheet: _soft(sheet.moment(row.joined_at, "date")),
    "country": lambda row, sheet: _soft(escape(row.country)),
    "role": _role,
    "tags": _tags,
    "second_factor": _second_factor,
    "sessions": lambda row, sheet: _soft(sheet.fetched("sessions", row.pk) or "", "num "),
    "legacy_id": lambda row, sheet: _soft("" if row.legacy_id is None else row.legacy_id, "num "),
    "password_changed": lambda row, sheet: _soft(sheet.moment(row.password_changed_at, "date")),
    "locale": lambda row, sheet: _soft(escape(row.locale)),
}


def draw(
    rows: Sequence[UserRow], columns: Sequence[str], picking: Picked | None, sheet: Sheet
) -> SafeString:
    """These rows with these columns, in order, each with its menu, and with its box where people
    can be picked."""
    cells = [CELLS[name] for name in columns]
    lines = []
    for row in rows:
        box = _pick_box(row, picking, sheet) if picking is not None else ""
        drawn = "\n".join([cell(row, sheet) for cell in cells])
        lines.append(f'<tr id="row-{row.pk}" data-row>{box}{drawn}\n{_menu(row, sheet)}\n</tr>')
    return mark_safe("\n".join(lines))  # noqa: S308


def _menu(row: UserRow, sheet: Sheet) -> str:
    """The quick look and the ⋯ of a row: links to pages, opened by scripts beside the list and as a
    menu in place."""
    here, name = f"{sheet.here}{row.pk}/", {"name": escape(row.username)}
    return (
        f'<td class="pin-menu c-menu"><a class="look-key" href="{here}look/" data-look'
        f' aria-label="{sheet.look % name}">{icon("eye")}</a>'
        f'<a class="acts-key" href="{here}acts/?{sheet.way_back}" data-menu-url="{here}acts/"'
        f' aria-haspopup="true"'
        f' aria-expanded="false" aria-label="{sheet.acts % name}">{icon("dots")}</a></td>'
    )


def _pick_box(row: UserRow, picking: Picked, sheet: Sheet) -> str:
    """The box by which a user is selected; out of reach, with the reason, for those on whom nothing
    can be done."""
    name, why = escape(row.username), picking.blocked.get(row.pk)
    if why is not None:
        said = escape(why)
        box = f'<input type="checkbox" disabled aria-label="{name}: {said}" title="{said}">'
    else:
        checked = " checked" if row.pk in picking.here else ""
        box = (
            f'<input type="checkbox" name="pick" value="{row.pk}" form="selection" data-pick'
            f'{checked} aria-label="{sheet.select % {"name": name}}">'
        )
    return f'<td class="pin-check c-pick"><label>{box}</label></td>\n'
