"""The query language of a search box, without any knowledge of what is searched::

    is:banned tier:2,3 credits:<10 -email:*@qq.com joined:>30d "exact words" free words

A query is terms with white space between them; all of them must hold. A term is ``word:value``, a
text, or ``"a text in quotes"``; a minus before it turns it round. A value is a list: any of
``a,b,"c d"`` may hold. What a value means is read by the functions at the end: numbers and moments
with ``<``, ``<=``, ``>``, ``>=`` and ``from..to``, choices, patterns with ``*``.

Whatever is typed is either understood or refused by a ``QueryError`` that points at the word; the
time it takes grows with the length of the text alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from difflib import get_close_matches
from ipaddress import ip_address
from typing import NamedTuple

from django.utils.translation import gettext as _

MOST_TERMS = 20
_LONGEST_NUMBER = 24
_SPACE = re.compile(r"\s*")
_BARE = re.compile(r"\S+")
_WORD = re.compile(r"([A-Za-z][A-Za-z0-9_]{0,29}):")
_VALUE = re.compile(r"[^\s,]+")
_OPERATOR = re.compile(r"<=|>=|<|>|=")
_WORD_SIGN = re.compile(r"[^\W_]")
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?", re.ASCII)


class QueryError(Exception):
    """A query that cannot be understood. ``start`` and ``length``: the word in the text at which it
    fails. ``suggestion``: what may stand in its place. ``unfinished``: only something is missing
    behind it, as while one types."""

    def __init__(
        self,
        sentence: str,
        start: int,
        length: int,
        *,
        suggestion: str = "",
        unfinished: bool = False,
    ) -> None:
        super().__init__(sentence)
        self.start, self.length = start, length
        self.suggestion, self.unfinished = suggestion, unfinished

    @property
    def end(self) -> int:
        return self.start + self.length


class Item(NamedTuple):
    """One value of a list: ``<10`` has the operator ``<``. It stands at ``start`` and is ``length``
    characters long, operator and quotes included."""

    text: str
    start: int
    length: int
    operator: str = ""
    quoted: bool = False

    def wrong(self, sentence: str, suggestion: str = "") -> QueryError:
        """The error that this value cannot be used."""
        return QueryError(sentence, self.start, self.length, suggestion=suggestion)


class Term(NamedTuple):
    """One condition. ``word`` is empty for text; then there is one item."""

    word: str
    items: tuple[Item, ...]
    negated: bool
    start: int
    end: int

    def wrong(self, sentence: str, suggestion: str = "") -> QueryError:
        """The error that this word cannot be used; it points at the word alone."""
        start = self.start + self.negated
        return QueryError(sentence, start, len(self.word), suggestion=suggestion)


def parse(text: str) -> list[Term]:
    """Take a query apart. Raises QueryError."""
    terms: list[Term] = []
    at = _past_space(text, 0)
    while at < len(text):
        term = _term(text, at)
        if len(terms) == MOST_TERMS:
            raise QueryError(
                _("At most %(most)s words at once.") % {"most": MOST_TERMS}, at, term.end - at
            )
        terms.append(term)
        at = _past_space(text, term.end)
    return terms


def _past_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _term(text: str, start: int) -> Term:
    negated = text[start] == "-" and text[start + 1 : start + 2].strip("-").strip() != ""
    at = start + negated
    word = _WORD.match(text, at)
    if word and not _is_address(text, at):
        items = _items(text, at, word.end())
        return Term(word[1].lower(), items, negated, start, items[-1].start + items[-1].length)
    item = _quoted(text, at) if text[at] == '"' else _bare(text, at)
    return Term("", (item,), negated, start, at + item.length)


def _is_address(text: str, at: int) -> bool:
    """Whether an IPv6 address stands there: its colons part no word from a value."""
    found = _BARE.match(text, at)
    return found is not None and ip(found[0]) is not None


def _bare(text: str, at: int) -> Item:
    found = _BARE.match(text, at)
    assert found is not None
    return Item(found[0], at, len(found[0]))


def _quoted(text: str, at: int) -> Item:
    end = text.find('"', at + 1)
    if end < 0:
        raise QueryError(
            _('The quotation is not closed: write another " at its end.'),
            at,
            len(text) - at,
            unfinished=True,
        )
    inner = text[at + 1 : end]
    if not inner.strip():
        raise QueryError(_("There is nothing in the quotation."), at, end + 1 - at, unfinished=True)
    return Item(inner, at, end + 1 - at, quoted=True)


def _items(text: str, start: int, at: int) -> tuple[Item, ...]:
    items: list[Item] = []
    while True:
        items.append(_item(text, at, wanting=at - 1 if items else start))
        at = items[-1].start + items[-1].length
        if text[at : at + 1] != ",":
            break
        at += 1
    if text[at : at + 1].strip():
        raise QueryError(_("Put a space between a quotation and what follows."), at, 1)
    return tuple(items)


def _item(text: str, at: int, *, wanting: int) -> Item:
    """The value that begins at ``at``; ``wanting`` is where stands what wants one."""
    found = _OPERATOR.match(text, at)
    operator = found[0] if found else ""
    start, at = at, at + len(operator)
    if text[at : at + 1] == '"':
        quoted = _quoted(text, at)
        return Item(quoted.text, start, len(operator) + quoted.length, operator, quoted=True)
    value = _VALUE.match(text, at)
    if value is None:
        sentence = _("“%(word)s” needs a value right behind it, without a space.")
        word = text[wanting:at]
        raise QueryError(sentence % {"word": word}, wanting, len(word), unfinished=True)
    return Item(value[0], start, len(operator) + len(value[0]), operator)


def without(text: str, term: Term) -> str:
    """The query with one term taken away."""
    return f"{text[: term.start].rstrip()} {text[term.end :].lstrip()}".strip()


def near(word: str, known: Iterable[str]) -> str:
    """What somebody may have meant who wrote ``word``; empty when nothing comes near."""
    found = get_close_matches(word[:40].lower(), list(known), 1, 0.6)
    return found[0] if found else ""


# How values are read


class Bounds(NamedTuple):
    """Limits of a figure; None where there is none. They count in, unless ``…_open``."""

    low: Decimal | None = None
    high: Decimal | None = None
    low_open: bool = False
    high_open: bool = False


def choice(item: Item, choices: Mapping[str, object]) -> str:
    """One of the names in ``choices``, whatever its case. Raises QueryError with a near one."""
    name = item.text.lower()
    if name in choices and item.operator in {"", "="}:
        return name
    sentence = _("“%(value)s” is none of: %(choices)s.")
    words = {"value": short(item.text), "choices": ", ".join(choices)}
    raise item.wrong(sentence % words, near(name, choices))


def number(item: Item, *, places: int = 6) -> Bounds:
    """``10``, ``<10``, ``>=2.5``, ``10..50``, ``10..`` or ``..50``. ``places``: how many may stand
    behind the point. Raises QueryError."""
    if ".." in item.text and not item.operator:
        low, _dots, high = item.text.partition("..")
        if not low and not high:
            raise _no_number(item, item.text, places)
        bounds = Bounds(
            _figure(item, low, places) if low else None,
            _figure(item, high, places) if high else None,
        )
        if low and high and bounds.low > bounds.high:  # type: ignore[operator]
            raise item.wrong(_("The range runs backwards."), f"{high}..{low}")
        return bounds
    figure = _figure(item, item.text, places)
    return {
        "<": Bounds(high=figure, high_open=True),
        "<=": Bounds(high=figure),
        ">": Bounds(low=figure, low_open=True),
        ">=": Bounds(low=figure),
    }.get(item.operator, Bounds(figure, figure))


def _figure(item: Item, text: str, places: int) -> Decimal:
    if not _NUMBER.fullmatch(text) or len(text) > _LONGEST_NUMBER:
        raise _no_number(item, text, places)
    if len(text.partition(".")[2]) > places or len(text.partition(".")[0]) > 18:
        raise _no_number(item, text, places)
    return Decimal(text)


def _no_number(item: Item, text: str, places: int) -> QueryError:
    if places:
        sentence = _("“%(value)s” is no number here: write it as in 12.5, <10, >=100 or 10..50.")
    else:
        sentence = _("“%(value)s” is no whole number here: write it as in 3, <10, >=12 or 3..6.")
    return item.wrong(sentence % {"value": short(text)})


class Pattern(NamedTuple):
    """What a text must be like: ``pieces`` with anything between them. It begins with the first
    and ends with the last one unless these are empty; ``whole``: it is the only piece exactly."""

    pieces: tuple[str, ...]
    whole: bool = False


def pattern(item: Item) -> Pattern:
    """``ana`` (contained), ``ana*``, ``*@qq.com``, ``a*b`` or ``=ana`` (exactly). A star needs
    three letters in a row beside it, or a beginning: an index finds nothing by less.

    Raises QueryError."""
    if item.operator == "=":
        return Pattern((item.text,), whole=True)
    if item.operator:
        raise item.wrong(_("Text is not compared by %(sign)s.") % {"sign": item.operator})
    if item.quoted or "*" not in item.text:
        return Pattern(("", item.text, ""))
    pieces = tuple(re.split(r"\*+", item.text))
    if not _WORD_SIGN.search(pieces[0]) and not any(
        len(piece) > 2 and _WORD_SIGN.search(piece) for piece in pieces
    ):
        raise item.wrong(_("Write three letters in a row beside the *, or how it begins."))
    if len(pieces) > 6:
        raise item.wrong(_("At most five stars in a word."))
    return Pattern(pieces)


def ip(text: str) -> str | None:
    """An IPv4 or IPv6 address in its usual spelling; None for what is none."""
    if len(text) > 45 or "%" in text:
        return None
    try:
        return str(ip_address(text))
    except ValueError:
        return None


def short(text: str) -> str:
    """A text as a sentence may quote it."""
    return text if len(text) <= 40 else f"{text[:40]}…"
