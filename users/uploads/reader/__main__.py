"""``python -S -m users.uploads.reader look|read csv|xlsx < file``: prints what the file is, then
its rows, then how many they were, each as a line of JSON; or why it is refused."""

from __future__ import annotations

import contextlib
import json
import resource
import sys
from collections.abc import Callable
from typing import IO, Any

from users.uploads.reader import archive, delimited, markup, workbook
from users.uploads.reader.bounds import (
    MEMORY,
    MOST_BYTES,
    MOST_ROWS,
    SAMPLE,
    SECONDS_TO_LOOK,
    SECONDS_TO_READ,
)
from users.uploads.reader.cells import Cell
from users.uploads.reader.refusal import Refused

_ZIP, _OLE = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"
_SHOWN = 200  # characters of a cell of the sample
_DUMP = json.JSONEncoder(separators=(",", ":")).encode


def main() -> None:
    """Read standard input within the bounds and print what was found."""
    task, kind = sys.argv[1:3]
    _confine(SECONDS_TO_LOOK if task == "look" else SECONDS_TO_READ)
    try:
        _run(sys.stdin.buffer, kind, whole=task == "read")
    except Refused as refused:
        _say({"refused": refused.code, **refused.facts})
    except MemoryError:
        _say({"refused": "memory"})


def _confine(seconds: int) -> None:
    """From here on the process gets no more memory and time than this, writes no file and starts
    no process."""
    for kind, most in (
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NPROC, 0),
    ):
        resource.setrlimit(kind, (most, most))


def _say(line: Any) -> None:
    sys.stdout.write(_DUMP(line) + "\n")


def _run(file: IO[bytes], kind: str, *, whole: bool) -> None:
    _check_contents(file, kind)
    read = _read_workbook if kind == "xlsx" else _read_delimited
    count = read(file, _Rows(whole=whole))
    if count == 0:
        raise Refused("empty")
    _say({"rows": count})


def _check_contents(file: IO[bytes], kind: str) -> None:
    """That the file is not too large, and what its name says."""
    size = file.seek(0, 2)
    file.seek(0)
    begins = file.read(len(_OLE))
    file.seek(0)
    if size > MOST_BYTES:
        raise Refused("bytes")
    if size == 0:
        raise Refused("empty")
    if begins == _OLE:
        raise Refused("old")
    if (begins == _ZIP) != (kind == "xlsx"):
        raise Refused("not_xlsx" if kind == "xlsx" else "not_csv")


class _Rows:
    """Prints the rows that are not empty, all or (``whole`` unset) a sample, and counts them."""

    def __init__(self, *, whole: bool) -> None:
        self.whole = whole
        self.count = 0  # without the headings
        self._begun = False

    def take(self, number: int, cells: list[Cell]) -> None:
        while cells and cells[-1] == "":
            cells.pop()
        if not cells:
            return
        self.count += self._begun
        self._begun = True
        if self.count > MOST_ROWS:
            raise Refused("rows")
        if self.whole:
            _say([number, *cells])
        elif self.count <= SAMPLE:
            _say([number, *(cell[:_SHOWN] if isinstance(cell, str) else cell for cell in cells)])


def _read_delimited(file: IO[bytes], rows: _Rows) -> int:
    """All of it is read also for a sample: what is wrong in it is said at once."""
    how = delimited.manner(file)
    _say({"encoding": how.encoding, "delimiter": how.delimiter})
    for number, row in delimited.rows(file, how):
        rows.take(number, list(row))
    return rows.count


def _read_workbook(file: IO[bytes], rows: _Rows) -> int:
    opened = archive.opened(file)
    book = workbook.book(opened)
    workbook.count_rows(opened, book.member)
    _say({"sheet": book.sheet, "sheets": book.sheets})
    styles = workbook.dates(opened)
    if rows.whole:
        shared = workbook.strings(opened)
        workbook.Sheet(book, styles, shared, rows.take).read(opened, book.member)
    else:
        _sample(
            lambda on_row: workbook.Sheet(book, styles, None, on_row).read(opened, book.member),
            lambda upto: workbook.strings(opened, upto=upto),
            rows,
        )
    return rows.count


def _sample(
    read: Callable[[workbook.OnRow], None],
    strings: Callable[[int], list[Cell]],
    rows: _Rows,
) -> None:
    """The first rows, with no more of the shared texts than those need."""
    first: list[tuple[int, list[Cell]]] = []

    def on_row(number: int, cells: list[Cell]) -> None:
        first.append((number, cells))
        if len(first) > SAMPLE:
            raise markup.Enough

    with contextlib.suppress(markup.Enough):
        read(on_row)
    wanted = [_place(cell) for _number, cells in first for cell in cells]
    shared = strings(max(wanted, default=-1))
    for number, cells in first:
        rows.take(number, [_looked_up(cell, shared) for cell in cells])


def _place(cell: Cell) -> int:
    return int(cell["shared"]) if isinstance(cell, dict) and "shared" in cell else -1


def _looked_up(cell: Cell, shared: list[Cell]) -> Cell:
    place = _place(cell)
    if place >= len(shared):
        raise Refused("broken")
    return cell if place < 0 else shared[place]


main()
