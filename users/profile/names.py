"""What a username may look like: plain enough that nobody can pass for somebody else."""

from __future__ import annotations

import unicodedata

from django.utils.translation import gettext as _

LONGEST = 64
# Letters of these scripts look alike; of two of them in one name, one is there to deceive.
_ALIKE = frozenset({"LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE", "COPTIC"})
# Control, format, surrogate, private use, unassigned; line and paragraph separators.
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_LOOKS = str.maketrans(
    "АВЕЅІЈКМНОРСТХУаеѕіјорсхуһԁԛԝӏαονρικυΑΒΕΖΗΙΚΜΝΟΡΤΥΧ",
    "ABESIJKMHOPCTXYaesijopcxyhdqwlaovpikuABEZHIKMNOPTYX",
)


def why_not_a_name(text: str) -> str:
    """Why ``text`` cannot be a username; empty when it can. Whether it is free is another
    question."""
    if not text:
        return _("A username is needed.")
    if len(text) > LONGEST:
        return _("A username has at most %(n)d characters.") % {"n": LONGEST}
    if any(unicodedata.category(letter) in _UNSEEN for letter in text):
        return _("It contains a character that nobody can see.")
    if any(letter.isspace() for letter in text):
        return _("A username contains no spaces.")
    plain = unicodedata.normalize("NFKC", text)
    if plain != text:
        return _("Write it with ordinary letters: %(plain)s.") % {"plain": plain}
    if "@" in text:
        return _("A username contains no “@”: it would pass for an email address.")
    if unicodedata.category(text[0]).startswith("M") or not any(map(str.isalnum, text)):
        return _("A username needs a letter or a digit, and starts with no accent.")
    if len(_scripts(text) & _ALIKE) > 1:
        return _("It mixes letters of scripts that look alike.")
    return ""


def look(text: str) -> str:
    """The Latin letters that ``text`` is taken for at a glance: “асе” in Cyrillic looks like “ace”.
    The same text where nothing looks alike."""
    return text.translate(_LOOKS)


def _scripts(text: str) -> set[str]:
    letters = filter(str.isalpha, text)
    return {unicodedata.name(letter, "").partition(" ")[0] for letter in letters}
