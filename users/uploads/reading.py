"""Reading an uploaded file through the confined program of ``users.uploads.reader``: nothing of a
file is parsed in a process that holds the database or the secrets."""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Any, Literal, NamedTuple

from django.conf import settings
from django.utils.translation import gettext_lazy

from users.uploads.reader import bounds
from users.uploads.reader.cells import Cell

Kind = Literal["csv", "xlsx"]
KINDS: dict[str, Kind] = {"csv": "csv", "tsv": "csv", "txt": "csv", "xlsx": "xlsx"}
BEAT = 1.0  # seconds of reading after which whoever waits for it tells that they are there
_BLOCK = 64 * 1024
_WALL = {"look": bounds.SECONDS_TO_LOOK * 2, "read": bounds.SECONDS_TO_READ * 2}

_SENTENCES = {
    "name": gettext_lazy("Only CSV files (.csv) and Excel workbooks (.xlsx) are read."),
    "bytes": gettext_lazy("The file is too large: at most %(megabytes)s MB are read."),
    "many": gettext_lazy(
        "You have %(most)s files here that were not imported yet. Import or discard one of them."
    ),
    "empty": gettext_lazy("There are no rows in this file below its first one, the headings."),
    "rows": gettext_lazy("The file has too many rows: at most %(rows)s. Split it."),
    "columns": gettext_lazy("Row %(row)s has too many columns: at most %(columns)s."),
    "cell": gettext_lazy("Row %(row)s has a cell of more than %(cell)s characters."),
    "line": gettext_lazy(
        "A line of the file is longer than any list of users has it; its line ends may be missing."
    ),
    "quotes": gettext_lazy(
        "Row %(row)s: its quotation marks do not match. A quotation mark inside of a cell is "
        "written twice."
    ),
    "nul": gettext_lazy("The file contains NUL characters: it is no text."),
    "encoding": gettext_lazy(
        "The file is in none of UTF-8, UTF-16 and GB18030. Save it as “CSV UTF-8”."
    ),
    "not_csv": gettext_lazy(
        "The file is called CSV, but it is an archive, like a workbook. Call it .xlsx if it is one."
    ),
    "not_xlsx": gettext_lazy(
        "The file is called .xlsx, but it is no workbook. Call it .csv if it is text."
    ),
    "old": gettext_lazy(
        "The workbook has a password, or is of the old Excel (.xls). Save it as .xlsx without one."
    ),
    "encrypted": gettext_lazy("The workbook is encrypted. Save it without a password."),
    "macros": gettext_lazy("The workbook has macros. Save it as .xlsx, without them."),
    "links": gettext_lazy(
        "The workbook takes values from other files. In Excel: Data, Edit Links, Break Link."
    ),
    "embedded": gettext_lazy("The workbook has other files in it. Take them out."),
    "members": gettext_lazy("The workbook has far more parts than a list of users needs."),
    "paths": gettext_lazy("The workbook names parts outside of itself. No program saves it so."),
    "ratio": gettext_lazy(
        "The workbook would unpack to more than %(ratio)s times its size. Save only the list, "
        "as CSV."
    ),
    "unpacked": gettext_lazy("The workbook would unpack to more than %(unpacked)s MB."),
    "dtd": gettext_lazy("The workbook declares entities. No program saves it so."),
    "xml": gettext_lazy("The workbook is damaged: a part of it is not well-formed."),
    "broken": gettext_lazy("The workbook is damaged. Open it in Excel and save it again."),
    "no_workbook": gettext_lazy("There is no worksheet in this file that can be seen."),
    "memory": gettext_lazy("Reading this file takes too much memory. Split it, or save it as CSV."),
    "broken_off": gettext_lazy(
        "Reading this file was broken off each time it was begun. Tell whoever runs the server."
    ),
    "owner": gettext_lazy("Whoever uploaded this may not act any more."),
    "time": gettext_lazy("Reading this file takes too long. Split it, or save it as CSV."),
}
_FIGURES = {
    "megabytes": bounds.MOST_BYTES // 1024 // 1024,
    "rows": f"{bounds.MOST_ROWS:,}",
    "columns": bounds.MOST_COLUMNS,
    "cell": f"{bounds.LONGEST_CELL:,}",
    "ratio": bounds.MOST_RATIO,
    "unpacked": bounds.MOST_UNPACKED // 1024 // 1024,
}


class FileRefused(Exception):
    """The file is not taken; the text is the sentence its owner reads."""

    def __init__(self, code: str, facts: Mapping[str, Any] | None = None) -> None:
        super().__init__(str(_SENTENCES[code]) % {**_FIGURES, **(facts or {})})
        self.code = code


Row = tuple[int, list[Cell]]


class Sample(NamedTuple):
    """What is seen of a file before it is read: how it is written (``encoding`` and ``delimiter``,
    or ``sheet`` and ``sheets``), its headings and first rows."""

    manner: Mapping[str, Any]
    headings: list[str]
    rows: list[Row]


def kind_of(name: str) -> Kind:
    """What a file of this name should be. Raises FileRefused."""
    kind = KINDS.get(name.rpartition(".")[2].lower())
    if kind is None:
        raise FileRefused("name")
    return kind


@contextmanager
def on_disk(blocks: Iterable[bytes]) -> Iterator[IO[bytes]]:
    """The content as a file of its own, which is gone afterwards."""
    with tempfile.TemporaryFile() as file:
        for block in blocks:
            file.write(block)
        file.flush()
        yield file


def look(file: IO[bytes], kind: Kind) -> Sample:
    """The first rows of the file on disk. Of CSV all is checked, of a workbook what its parts
    promise. Raises FileRefused."""
    with _started("look", file, kind) as lines:
        manner: Mapping[str, Any] = next(lines, {})
        (_number, headings), *rows = [_row(line) for line in lines]
    return Sample(manner, [_heading(cell) for cell in headings], rows)


def read(
    file: IO[bytes], kind: Kind, *, waiting: Callable[[], None] = lambda: None
) -> Iterator[Row]:
    """Each row below the headings with its number. ``waiting`` is called about every second, also
    while none comes: a file of empty rows has nothing to show for minutes. Raises FileRefused,
    possibly after many rows: nothing may be kept of a file that is refused."""
    with _started("read", file, kind, waiting) as lines:
        next(lines, None)
        next(lines, None)  # the headings
        for line in lines:
            yield _row(line)


def _row(line: Any) -> Row:
    number, *cells = line
    return number, cells


def _heading(cell: Cell) -> str:
    """A heading as text, whatever it is: a year may be a number."""
    text = cell if isinstance(cell, str) else "".join(cell)
    return " ".join(text.split())[:100]


@contextmanager
def _started(
    task: Literal["look", "read"],
    file: IO[bytes],
    kind: Kind,
    waiting: Callable[[], None] = lambda: None,
) -> Iterator[Iterator[Any]]:
    """The program's lines while it runs; it is ended when nobody reads on, or its time is over."""
    file.seek(0)
    program = subprocess.Popen(  # noqa: S603 (nothing of it comes from the file)
        [sys.executable, "-S", "-m", "users.uploads.reader", task, kind],
        bufsize=0,
        stdin=file,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=settings.BASE_DIR,
        env={"PATH": os.defpath, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUTF8": "1"},
    )
    clock = threading.Timer(_WALL[task], program.kill)
    clock.start()
    try:
        yield _lines(program, waiting)
    finally:
        clock.cancel()
        program.kill()
        program.wait()
        assert program.stdout is not None
        program.stdout.close()


def _lines(program: subprocess.Popen[bytes], waiting: Callable[[], None]) -> Iterator[Any]:
    assert program.stdout is not None
    for text in _texts(program.stdout.fileno(), waiting):
        line = json.loads(text)
        if isinstance(line, dict):
            if "refused" in line:
                raise FileRefused(line.pop("refused"), line)
            if "rows" in line:
                return
        yield line
    # It ended without a last word: its time was over, or it had no memory left to say so.
    raise FileRefused("time" if program.wait() < 0 else "memory")


def _texts(pipe: int, waiting: Callable[[], None]) -> Iterator[bytes]:
    """The whole lines that come out of a pipe."""
    rest, told = b"", time.monotonic()
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while True:
            ready = selector.select(BEAT)
            if time.monotonic() - told >= BEAT:
                waiting()
                told = time.monotonic()
            if not ready:
                continue
            block = os.read(pipe, _BLOCK)
            if not block:
                return
            *lines, rest = (rest + block).split(b"\n")
            yield from lines
