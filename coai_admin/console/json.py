"""JSON as this site accepts it: stricter than Python's parser, and never a crash."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any, NoReturn

from django.conf import settings
from django.utils.translation import gettext as _

_SURROGATE = re.compile("[\ud800-\udfff]")


class NotAccepted(ValueError):
    """The JSON cannot be accepted; the text says why."""


def parse(body: bytes) -> Any:
    """Parse a JSON document in UTF-8; fractions become Decimal, so that amounts stay exact.

    Raises NotAccepted for what is no JSON, for NaN and Infinity, a key that stands twice in one
    object, nesting beyond ``MAX_JSON_DEPTH``, NUL characters and halves of surrogate pairs, and
    absurdly long numbers.
    """
    try:
        document = json.loads(
            body.decode("utf-8"),
            object_pairs_hook=_unique,
            parse_float=_decimal,
            parse_constant=_constant,
        )
    except UnicodeDecodeError as error:
        raise NotAccepted(_("The body is not UTF-8.")) from error
    except RecursionError as error:
        raise NotAccepted(_too_deep()) from error
    except NotAccepted:
        raise
    except ValueError as error:
        raise NotAccepted(_("The body is not valid JSON.")) from error
    _walk(document)
    return document


def _walk(document: Any) -> None:
    """Level by level instead of by recursion, since depth is what is being judged."""
    level, depth = [document], 0
    while level:
        if depth > settings.MAX_JSON_DEPTH:
            raise NotAccepted(_too_deep())
        below: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                for key in value:
                    _check_text(key)
                below.extend(value.values())
            elif isinstance(value, list):
                below.extend(value)
            elif isinstance(value, str):
                _check_text(value)
        depth += any(isinstance(value, dict | list) for value in level)
        level = below
    if depth > settings.MAX_JSON_DEPTH:
        raise NotAccepted(_too_deep())


def _check_text(text: str) -> None:
    if "\x00" in text:
        raise NotAccepted(_("The body contains a NUL character."))
    if not text.isascii() and _SURROGATE.search(text):
        raise NotAccepted(_("The body contains half a surrogate pair, which is no character."))


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _value in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise NotAccepted(_("“%(name)s” stands twice in one object.") % {"name": twice[:100]})
    return found


def _decimal(text: str) -> Decimal:
    if len(text) > 100:
        raise NotAccepted(_("A number is too long."))
    return Decimal(text)


def _constant(name: str) -> NoReturn:
    raise NotAccepted(_("%(name)s is not a number.") % {"name": name})


def _too_deep() -> str:
    return _("The body is nested too deeply.")
