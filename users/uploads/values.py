"""What a cell says, by the field it is read for: each value has one meaning or the row is refused
with the sentence that says how to write it. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from typing import Any
from zoneinfo import available_timezones

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from coai_admin.console.characters import storable
from coai_admin.console.exports import as_it_was
from users.email.forms import AddressField
from users.profile.forms import TagsField
from users.uploads.reader.cells import Cell

POINT, COMMA = "point", "comma"
LONGEST_NOTE = 4_000
_SHOWN = 40
_BIGGEST_ID = 2**63 - 1
_ID = re.compile(r"[1-9][0-9]{0,18}", re.ASCII)
_COUNTRY = re.compile(r"[A-Za-z]{2}", re.ASCII)
_LOCALE = re.compile(r"[a-z]{2,3}([-_][A-Za-z0-9]{2,8})*", re.ASCII | re.IGNORECASE)
_PLAIN = re.compile(r"[0-9]+([.][0-9]+)?", re.ASCII)
# No group begins with 0: “0,500” is half a credit of whoever writes commas, not five hundred.
_GROUPED = {
    POINT: re.compile(
        r"[1-9][0-9]{0,2}(?P<by>[, ’'\u00a0\u202f])[0-9]{3}((?P=by)[0-9]{3})*([.][0-9]+)?"
    ),
    COMMA: re.compile(
        r"[1-9][0-9]{0,2}(?P<by>[. ’'\u00a0\u202f])[0-9]{3}((?P=by)[0-9]{3})*(,[0-9]+)?"
    ),
}
_WITH_COMMA = re.compile(r"[0-9]+,[0-9]+", re.ASCII)
_CLOCK = r"(?:[ T](\d{1,2}):(\d{2})(?::(\d{2}))?)?"
_YEAR_FIRST = re.compile(
    r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})" + _CLOCK + r"(?: ?UTC|Z)?", re.ASCII
)
_DAY_FIRST = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})" + _CLOCK + r"(?: ?UTC)?", re.ASCII)
_WHOLE, _PLACES = 18, 6  # digits of credits before and after the point

_NO_VALUE = {
    "formula": gettext_lazy("a formula without a value. Open the file in Excel and save it."),
    "error": gettext_lazy("an error of the spreadsheet, such as #N/A."),
    "number": gettext_lazy("a number that is none."),
    "digits": gettext_lazy(
        "a number of more than fifteen digits, which Excel has rounded. Format the column as text."
    ),
    "date": gettext_lazy("a date that is none."),
}


class Unfit(Exception):
    """The cell cannot be taken; the text is the sentence about it, ``kind`` what many share."""

    def __init__(self, sentence: str, kind: str = "") -> None:
        super().__init__(sentence)
        self.kind = kind or sentence


@dataclass(frozen=True, slots=True)
class Manner:
    """How values are written in a file: which sign stands before decimals, and what the tiers are
    called, in lower case."""

    decimal: str = POINT
    tiers: Mapping[str, int] | None = None


def text_of(cell: Cell) -> str:
    """The text of a cell without blanks at its ends; a number's digits. Raises Unfit."""
    if isinstance(cell, dict):
        raise Unfit(_("It holds %(what)s") % {"what": _NO_VALUE[cell["bad"]]})
    text = (cell if isinstance(cell, str) else cell[0]).strip()
    if not storable(text):
        raise Unfit(_("It holds a character that no text has."))
    return as_it_was(text)


def user_id(cell: Cell, how: Manner) -> int:
    """An id, in plain digits without leading zeros. Raises Unfit."""
    text = text_of(cell)
    if not _ID.fullmatch(text) or int(text) > _BIGGEST_ID:
        raise Unfit(_not(text, _("is no id: an id is a whole number such as 42.")), _("No id."))
    return int(text)


def username(cell: Cell, how: Manner) -> str:
    """A name as it is looked for; whether one could be given is judged where one is made."""
    return text_of(cell)


def email(cell: Cell, how: Manner) -> str:
    """One email address. Raises Unfit."""
    text = text_of(cell)
    if "•" in text:
        raise Unfit(_("The address is masked. Export it with whole addresses, or leave it out."))
    try:
        return _address().clean(text)
    except ValidationError as error:
        raise Unfit(_not(text, error.messages[0]), error.messages[0]) from error


def country(cell: Cell, how: Manner) -> str:
    """Two letters, in capitals. Raises Unfit."""
    text = text_of(cell)
    if not _COUNTRY.fullmatch(text):
        raise Unfit(_not(text, _("is no country code: two letters, such as DE.")), _("No country."))
    return text.upper()


def locale(cell: Cell, how: Manner) -> str:
    """A language tag such as ``zh-Hans``; ``zh_CN`` is taken for ``zh-CN``. Raises Unfit."""
    text = text_of(cell)
    if not _LOCALE.fullmatch(text) or len(text) > 16:
        raise Unfit(_not(text, _("is no language, such as en or zh-Hans.")), _("No language."))
    return text.replace("_", "-")


def time_zone(cell: Cell, how: Manner) -> str:
    """The name of a time zone. Raises Unfit."""
    text = text_of(cell)
    if text not in _zones():
        raise Unfit(
            _not(text, _("is no time zone, such as Europe/Berlin or UTC.")), _("No time zone.")
        )
    return text


def tags(cell: Cell, how: Manner) -> list[str]:
    """Tags, with commas or semicolons between them. Raises Unfit."""
    try:
        found: list[str] = TagsField().clean(text_of(cell).replace(";", ","))
    except ValidationError as error:
        raise Unfit(error.messages[0]) from error
    return found


def tier(cell: Cell, how: Manner) -> int:
    """The level of a tier, by its number or its name. Raises Unfit."""
    text = text_of(cell)
    found = (how.tiers or {}).get(text.casefold())
    if found is None:
        raise Unfit(
            _not(text, _("is no tier: write its number, 0 to 3, or its name.")), _("No tier.")
        )
    return found


def credits(cell: Cell, how: Manner) -> str:
    """An amount to add, in plain digits with a point. Grouped digits are understood as far as they
    mean one number. Raises Unfit."""
    text = text_of(cell).removeprefix("+")
    if text.startswith(("-", "−")):
        raise Unfit(_("An import adds credits. Take credits away with “Adjust credits”."))
    plain = text if isinstance(cell, list) else _digits(text, how.decimal)
    if plain is None or not _PLAIN.fullmatch(plain):
        raise Unfit(_not(text, _why_no_number(text, how.decimal)), _("No number."))
    whole, _point, places = plain.partition(".")
    if len(whole.lstrip("0")) > _WHOLE or len(places.rstrip("0")) > _PLACES:
        raise Unfit(_not(text, _("has more than six places, or is far too large.")))
    return format(Decimal(plain).normalize(), "f")


def expires(cell: Cell, how: Manner) -> str:
    """A moment in UTC as ISO text; a date alone is its first moment. Raises Unfit."""
    text = text_of(cell)
    if isinstance(cell, list):
        raise Unfit(_not(text, _("is a number. Format the column as a date.")), _("No date."))
    if found := _YEAR_FIRST.fullmatch(text):
        year, month, day, *clock = found.groups()
    elif found := _DAY_FIRST.fullmatch(text):
        day, month, year, *clock = found.groups()
    else:
        raise Unfit(
            _not(text, _("is no date that means one day: write 2027-03-01.")), _("No date.")
        )
    try:
        hour, minute, second = (int(each or 0) for each in clock)
        moment = datetime(int(year), int(month), int(day), hour, minute, second, tzinfo=UTC)
    except ValueError as error:
        raise Unfit(_not(text, _("is no date: there is no such day.")), _("No date.")) from error
    return moment.isoformat()


def note(cell: Cell, how: Manner) -> str:
    """A text for colleagues. Raises Unfit."""
    text = text_of(cell)
    if len(text) > LONGEST_NOTE:
        raise Unfit(_("A note has at most %(n)s characters.") % {"n": f"{LONGEST_NOTE:,}"})
    return text


def _digits(text: str, decimal: str) -> str | None:
    """A number as it is written with this decimal sign, in plain digits; None where it means none,
    or two."""
    if _GROUPED[decimal].fullmatch(text):
        groups, sign, places = text.rpartition("." if decimal == POINT else ",")
        if not sign:
            groups, places = text, ""
        whole = re.sub(r"[^0-9]", "", groups)
        return f"{whole}.{places}" if places else whole
    if decimal == COMMA and _WITH_COMMA.fullmatch(text):
        return text.replace(",", ".")
    return text if _PLAIN.fullmatch(text) and (decimal == POINT or "." not in text) else None


def _why_no_number(text: str, decimal: str) -> str:
    if decimal == POINT and "," in text:
        return _("is no number with a decimal point. Does the file write 1.234,5? Then say so.")
    if decimal == COMMA and "." in text:
        return _("is no number with a decimal comma. Does the file write 1,234.5? Then say so.")
    return _("is no number.")


def _not(text: str, why: Any) -> str:
    shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
    return f"“{shown}” {why}" if str(why)[:1].islower() else f"“{shown}”: {why}"


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


@cache
def _address() -> AddressField:
    return AddressField()
