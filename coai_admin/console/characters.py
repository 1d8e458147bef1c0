"""What is text in Python and none to PostgreSQL."""

from __future__ import annotations


def storable(text: str) -> bool:
    """Whether PostgreSQL can hold the text, or be asked for it: no NUL, no half of a surrogate
    pair."""
    if "\x00" in text:
        return False
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
