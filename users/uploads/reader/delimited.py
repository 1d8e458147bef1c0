"""CSV files: their encoding, their delimiter, their rows. Nothing larger than a line is held."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator
from typing import IO, NamedTuple

from users.uploads.reader.bounds import LONGEST_CELL, LONGEST_LINE, MOST_COLUMNS
from users.uploads.reader.refusal import Refused

_BLOCK = 256 * 1024
_HEAD = 64 * 1024
_MARKS = (  # the longer ones first: that of UTF-32 begins like that of UTF-16
    (codecs.BOM_UTF32_LE, ""),
    (codecs.BOM_UTF32_BE, ""),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_DELIMITERS = ",;\t"
_ENDS = ("\n", "\r")


class Manner(NamedTuple):
    """How a file is written."""

    encoding: str
    delimiter: str


def manner(file: IO[bytes]) -> Manner:
    """Find out how the file is written, reading all of it once. Raises Refused."""
    encoding = _encoding(file)
    file.seek(0)
    head = codecs.getincrementaldecoder(encoding)().decode(file.read(_HEAD))
    return Manner(encoding, _delimiter(head))


def rows(file: IO[bytes], how: Manner) -> Iterator[tuple[int, list[str]]]:
    """Each row with its number, as a spreadsheet counts: the headings are row 1, and a row with
    line breaks in it is one row. Raises Refused."""
    file.seek(0)
    csv.field_size_limit(LONGEST_CELL)
    text = io.TextIOWrapper(file, encoding=how.encoding, newline="")
    number = 0
    try:
        for number, row in enumerate(
            csv.reader(_lines(text), delimiter=how.delimiter, strict=True), 1
        ):
            if len(row) > MOST_COLUMNS:
                raise Refused("columns", row=number)
            yield number, row
    except csv.Error as error:
        code = "cell" if "field larger" in str(error) else "quotes"
        raise Refused(code, row=number + 1) from error
    finally:
        text.detach()


def _lines(text: IO[str]) -> Iterator[str]:
    while line := text.readline(LONGEST_LINE):
        if len(line) == LONGEST_LINE and not line.endswith(_ENDS):
            raise Refused("line")
        yield line


def _encoding(file: IO[bytes]) -> str:
    """UTF-8 where all of the file is, or what its mark says; else GB18030, as Chinese Excel
    writes."""
    head = file.read(_HEAD)
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            if encoding and _is_text(file, encoding):
                return encoding
            raise Refused("encoding")
    if b"\x00" in head:
        return _unmarked(file, head)
    for encoding in ("utf-8", "gb18030"):
        if _is_text(file, encoding):
            return encoding
    raise Refused("encoding")


def _unmarked(file: IO[bytes], head: bytes) -> str:
    """UTF-16 without a mark: every other byte of its delimiters and digits is NUL."""
    even, odd = head[::2].count(0), head[1::2].count(0)
    encoding = "utf-16-le" if odd > even else "utf-16-be"
    if max(even, odd) > len(head) // 8 and _is_text(file, encoding):
        return encoding
    raise Refused("nul")


def _is_text(file: IO[bytes], encoding: str) -> bool:
    """Whether all of it is text in this encoding. Raises Refused where that text has a NUL."""
    file.seek(0)
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        while block := file.read(_BLOCK):
            if "\x00" in decoder.decode(block):
                raise Refused("nul")
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _delimiter(head: str) -> str:
    """Which of the delimiters stands most often in the headings, outside of quotation marks."""
    found = dict.fromkeys(_DELIMITERS, 0)
    quoted = False
    for sign in head.lstrip("\r\n\ufeff"):
        if sign == '"':
            quoted = not quoted
        elif not quoted and sign in _ENDS:
            break
        elif not quoted and sign in found:
            found[sign] += 1
    return max(found, key=lambda sign: found[sign])
