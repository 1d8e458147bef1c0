"""Names of invented people in the scripts that a CoAI platform sees."""

from __future__ import annotations

import random
import re
import unicodedata
from dataclasses import dataclass

from users.demo.cultures import CULTURES, EVERYWHERE, Culture, Place

_NICKS = (
    "nightowl quietmoon pixelfox tokenburner slowcoffee teal.harbor northwind ramen_dev bluewhale "
    "latte zero_shot paperplane hexagon lofi.beats gardener tundra redpanda midnight_tea softcat "
    "kernelpanic cloudchaser promptsmith driftwood saffron orbit longshot mosswalker inkwell "
    "copperkite glasspine"
)
_LETTERS = str.maketrans({"ł": "l", "ø": "o", "đ": "d", "ı": "i", "ß": "ss", "’": "", "æ": "ae"})


@dataclass(frozen=True, slots=True)
class Name:
    """One invented person: how they sign in, their mailbox (ASCII), where they live."""

    username: str
    mailbox: str
    place: Place
    script: str


class Names:
    """Gives people, each name once. ``taken``: names that exist already."""

    def __init__(self, rng: random.Random, taken: frozenset[str] = frozenset()) -> None:
        self._rng = rng
        self._taken = {_key(name) for name in taken}
        self._words = [(_pairs(culture.given), _pairs(culture.family)) for culture in CULTURES]
        self._nicks = _NICKS.split()
        self._numbers = range(len(CULTURES))
        self._shares = [culture.share for culture in CULTURES]

    def draw(self) -> Name:
        """The next person."""
        rng = self._rng
        [number] = rng.choices(self._numbers, self._shares)
        culture, (given_words, family_words) = CULTURES[number], self._words[number]
        given, given_latin = rng.choice(given_words)
        family, family_latin = rng.choice(family_words)
        place = rng.choice(culture.places)
        dice = rng.random() * 100
        if dice < culture.native:
            parts = (family, given) if culture.family_first else (given, family)
            wanted, script = culture.joint.join(parts), culture.script
            if rng.random() < 0.4:
                wanted = wanted.lower()
        elif dice < 88:
            wanted, script = self._handle(given_latin, family_latin), "Latin"
        else:
            wanted, script = rng.choice(self._nicks), "Latin"
        username = self._unused(wanted)
        digits = "".join(letter for letter in username if letter.isascii() and letter.isdigit())
        stem = wanted if wanted.isascii() else f"{given_latin}.{family_latin}"
        mailbox = self._unused(
            f"{stem.rstrip('0123456789')}{digits}@{self._domain(culture)}".lower()
        )
        return Name(username, mailbox, place, script)

    def _domain(self, culture: Culture) -> str:
        return self._rng.choice(culture.domains if self._rng.random() < 0.6 else EVERYWHERE)

    def _handle(self, given: str, family: str) -> str:
        """An ASCII username as people make them: wang.fang, lwei88, emma_k."""
        rng = self._rng
        shapes = (
            f"{given}.{family}",
            f"{given}{family}",
            f"{given[0]}{family}",
            f"{given}_{family[0]}",
            f"{family}{given[0]}",
        )
        endings = ("", "", str(rng.randint(70, 99)), f"{rng.randint(0, 9):02}", "123", "_ai", "dev")
        year = rng.choice(endings)
        return rng.choice(shapes) + year

    def _unused(self, wanted: str) -> str:
        """``wanted``, or with a number where somebody has it; a mailbox gets it before the @."""
        local, at, domain = wanted.partition("@")
        name, number = wanted, 1
        while _key(name) in self._taken:
            number += self._rng.randint(1, 60)
            name = f"{local}{number}{at}{domain}"
        self._taken.add(_key(name))
        return name


def _pairs(words: str) -> tuple[tuple[str, str], ...]:
    split = (word.partition(":") for word in words.split())
    return tuple((native, latin or _ascii(native)) for native, _colon, latin in split)


def _ascii(word: str) -> str:
    """A Latin name without its diacritics, in lower case."""
    lowered = word.lower().translate(_LETTERS)
    plain = unicodedata.normalize("NFKD", lowered).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z]", "", plain)


def _key(name: str) -> str:
    """Coarser than the database's lower(), so that what differs here differs there."""
    folded = unicodedata.normalize("NFKD", name.casefold())
    return "".join(letter for letter in folded if not unicodedata.combining(letter))
