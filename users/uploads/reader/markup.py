"""Reading XML in a stream: no document types, no entities, nothing from elsewhere, not deep."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from xml.parsers import expat

from users.uploads.reader.bounds import DEEPEST, LONGEST_TOKEN
from users.uploads.reader.refusal import Refused

Starts = Callable[[str, dict[str, str]], None]
Ends = Callable[[str], None]


class Enough(Exception):
    """The reader has what it wanted; the rest is not parsed."""


def read(
    blocks: Iterable[bytes],
    *,
    starts: Starts,
    ends: Ends | None = None,
    text: Callable[[str], None] | None = None,
) -> None:
    """Parse ``blocks``, calling ``starts(name, attributes)``, ``ends(name)`` and ``text``. Names
    come without their namespace. Raises Refused."""
    parser = expat.ParserCreate(namespace_separator=" ")
    depth = 0

    def started(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > DEEPEST:
            raise Refused("xml")
        starts(name.rpartition(" ")[2], attributes)

    def ended(name: str) -> None:
        nonlocal depth
        depth -= 1
        if ends:
            ends(name.rpartition(" ")[2])

    parser.StartElementHandler = started
    parser.EndElementHandler = ended
    parser.CharacterDataHandler = text
    parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = _no_document_type
    parser.buffer_text = True
    try:
        _parse(parser, blocks)
        parser.Parse(b"", True)  # noqa: FBT003
    except Enough:
        return
    except (expat.ExpatError, LookupError, ValueError) as error:
        raise Refused("xml") from error


def _parse(parser: expat.XMLParserType, blocks: Iterable[bytes]) -> None:
    """What is not complete yet is parsed anew with each block, so it may not grow long: before 2.6
    expat does not defer that by itself."""
    fed = 0
    for block in blocks:
        parser.Parse(block, False)  # noqa: FBT003 (expat takes no names)
        fed += len(block)
        if fed - parser.CurrentByteIndex > LONGEST_TOKEN:
            raise Refused("xml")


def _no_document_type(*_declared: object) -> None:
    raise Refused("dtd")
