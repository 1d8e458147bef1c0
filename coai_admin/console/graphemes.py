"""User-perceived characters of a name, for avatars: the part of Unicode's rules that names need."""

import re
import unicodedata

JOINER = "\N{ZERO WIDTH JOINER}"
SELECTORS = range(0xFE00, 0xFE10)
SKIN_TONES = range(0x1F3FB, 0x1F400)
REGIONAL = range(0x1F1E6, 0x1F200)

SEPARATORS = re.compile(r"[\s._\-@/+~]+")


def graphemes(text: str) -> list[str]:
    """Split text into user-perceived characters: marks, joined emoji and flags stay whole."""
    found: list[str] = []
    for character in text:
        if found and _continues(found[-1], character):
            found[-1] += character
        else:
            found.append(character)
    return found


def _continues(before: str, character: str) -> bool:
    code = ord(character)
    if before.endswith(JOINER) or character == JOINER:
        return True
    if code in REGIONAL:
        return len(before) == 1 and ord(before) in REGIONAL
    return (
        code in SELECTORS
        or code in SKIN_TONES
        or unicodedata.category(character) in {"Mn", "Me", "Mc"}
    )


def initials_of(name: str) -> str:
    """Shorten a name to one or two graphemes for its avatar.

    "mei.zhang" gives "MZ", "ivan" gives "IV", "小明.1054" gives "小", no name "?". Only scripts
    with capital letters get two: one ideograph or one Arabic letter is legible, two are not.
    """
    words = [
        word for word in SEPARATORS.split(name) if word and unicodedata.category(word[0])[0] != "C"
    ]
    if not words:
        return "?"
    letters = [graphemes(word) for word in words]
    first = letters[0][0]
    if not _has_case(first):
        return first
    second = letters[1][0] if len(letters) > 1 else (letters[0][1] if len(letters[0]) > 1 else "")
    if not (_has_case(second) or second.isdigit()):
        second = ""
    return _capital(first) + _capital(second)


def _has_case(grapheme: str) -> bool:
    return grapheme.upper() != grapheme.lower()


def _capital(grapheme: str) -> str:
    upper = grapheme.upper()
    return upper if len(upper) == len(grapheme) else grapheme
