"""What may be written next in the search box: words, then their values."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import NamedTuple

from django.db.models.functions import Upper

from audit.people import Reader
from coai_admin.console.query import parse
from users.models import ReasonCode, Tag
from users.table.words import ALIASES, Word, values_for, words_for

_MOST = 12


class Offer(NamedTuple):
    """Something to write: ``text`` takes the place of what stands from ``start`` on to the cursor;
    ``hint`` says what it is. ``more``: something has to follow right behind it."""

    text: str
    hint: str
    start: int
    more: bool = False


def tags(begun: str) -> list[Offer]:
    """The tags that begin so, for a field of tags: as they are, without quotation marks."""
    return [Offer(name, hint, 0) for name, hint in _tags(begun.strip())]


def offers(text: str, viewer: Reader) -> list[Offer]:
    """What may be written at the end of ``text``, which reaches to the cursor; nothing inside a
    quotation and behind a space."""
    token = text[len(text) - len(text.split()[-1]) :] if text and not text[-1].isspace() else ""
    if not token or text.count('"') % 2:
        return []
    begin = len(text) - len(token) + token.startswith("-")
    name, colon, rest = token.removeprefix("-").partition(":")
    if not colon:
        return list(islice(_words(name.lower(), begin, viewer), _MOST))
    word = words_for(viewer).get(ALIASES.get(name.lower(), name.lower()))
    if word is None:
        return []
    part = rest.rpartition(",")[2]
    return list(islice(_values(word, part, len(text) - len(part), viewer), _MOST))


def meant(text: str, viewer: Reader) -> str:
    """The query that was probably meant where nobody matches ``text``, an understood one: "banned"
    is a part of a name until ``is:`` stands before it, and "tier=2" wants a colon. Empty where
    nothing else can be meant."""
    mended = text
    for term in reversed(parse(text)):
        item = term.items[0]
        if not term.word and not item.quoted:
            end = item.start + item.length
            mended = f"{mended[: item.start]}{_asked(item.text, viewer)}{mended[end:]}"
    return mended if mended != text else ""


def _asked(said: str, viewer: Reader) -> str:
    """One word of text as the condition that it names; as it is where it names none."""
    known = words_for(viewer)
    name, _equals, value = said.lower().partition("=")
    if value and ALIASES.get(name, name) in known:
        return f"{name}:{value}"
    for each in ("is", "has"):
        if name in values_for(known[each], viewer) and name == said.lower():
            return f"{each}:{name}"
    return said


def _words(begun: str, start: int, viewer: Reader) -> Iterator[Offer]:
    """Words that begin so; then values of ``is`` and ``has`` that do: "banned" is enough."""
    known = words_for(viewer)
    for name, word in known.items():
        if name.startswith(begun):
            yield Offer(f"{name}:", str(word.help), start, more=True)
    if len(begun) < 2:
        return
    for name in ("is", "has"):
        for value, label in values_for(known[name], viewer).items():
            if value.startswith(begun):
                yield Offer(f"{name}:{value}", str(label), start)


def _values(word: Word, begun: str, start: int, viewer: Reader) -> Iterator[Offer]:
    known = values_for(word, viewer)
    for value, label in known.items():
        if value.startswith(begun.lower()):
            yield Offer(value, str(label), start)
    if word.name in STORED:
        for name, hint in STORED[word.name](begun.strip('"')):
            yield Offer(_quoted(name), hint, start)
    elif not begun or not known:
        for example in _free(word, known):
            if example.startswith(begun) and example != begun:
                yield Offer(example, "", start)


def _tags(begun: str) -> Iterable[tuple[str, str]]:
    tags = Tag.objects.alias(_name=Upper("name")).filter(_name__startswith=begun.upper())
    names = tags.order_by("name").values_list("name", flat=True)[:_MOST]
    return [(name, "") for name in names if '"' not in name]


def _reasons(begun: str) -> Iterable[tuple[str, str]]:
    codes = ReasonCode.objects.filter(code__startswith=begun.lower())
    return codes.order_by("position", "code").values_list("code", "label")[:_MOST]


# The words whose values are rows: those that begin so, each with what it says.
STORED: dict[str, Callable[[str], Iterable[tuple[str, str]]]] = {"tag": _tags, "reason": _reasons}


def _quoted(value: str) -> str:
    return f'"{value}"' if re.search(r"[\s,]", value) else value


def _free(word: Word, known: Iterable[str]) -> list[str]:
    """The values in the examples of a word whose values are free."""
    values = [example.partition(":")[2] for example in word.examples]
    return [value for value in values if value not in known and "," not in value]
