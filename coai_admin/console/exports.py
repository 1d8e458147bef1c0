"""Exports of a listing as CSV: streamed from COPY in PostgreSQL, so that a million rows need no
more memory than ten.

UTF-8 with a byte order mark (Excel takes the file for the system's old encoding without it),
commas, CRLF-free lines, a header row. Text that a spreadsheet would take for a formula gets an
apostrophe before it. Numbers are plain digits and moments are ``2026-11-23 18:00:00`` in UTC,
without a zone, so that spreadsheets know both for what they are.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from django.core.exceptions import EmptyResultSet
from django.db import connections, models
from django.db.models import Func, TextField, Value
from django.db.models.functions import Cast
from django.http import StreamingHttpResponse
from django.utils.translation import gettext as _

from coai_admin.console import circumstances
from coai_admin.console.columns import Column, Kind, Sight
from coai_admin.console.listing import Reading

# What begins a formula in Excel, LibreOffice or Google Sheets: = + - @, tab, line feed, carriage
# return, and the full-width forms that Chinese and Japanese spreadsheets treat alike. (PostgreSQL
# cannot hold NUL in a text.)
_SIGNS = r"=+\-@＝＋－＠"
_BEGINS = rf"^(?=[{_SIGNS}\t\n\r])"
# Where Excel parts cells by semicolons (as in most of Europe) or tabs, a line of commas is one text
# to it, whose quotation marks hold nothing together: the text is split wherever such a sign stands.
_SPLITS = rf'[;\t\n\r]"*(?=[{_SIGNS}])'
_DEFUSED = re.compile(rf"^'(?=[{_SIGNS}\t\n\r])|([;\t\n\r]\"*)'(?=[{_SIGNS}])")
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_BLOCK = 64 * 1024
_BYTE_ORDER_MARK = "\N{ZERO WIDTH NO-BREAK SPACE}".encode()
_UNTYPED = {Kind.TEXT, Kind.STATE}


class FileType(NamedTuple):
    """What a download is called at its end, and what it says that it is."""

    extension: str
    content_type: str


CSV = FileType("csv", "text/csv; charset=utf-8")
XLSX = FileType("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")


@dataclass(frozen=True, slots=True)
class Field:
    """A column as an export holds it: its header, and its value as an expression of the rows."""

    name: str
    header: str
    value: Any
    kind: Kind


@dataclass(slots=True)
class Sent:
    """How much of an export left the house. ``complete`` is False while it is under way and when it
    was broken off. Who sets ``stopped`` (from another thread, say) has it broken off."""

    rows: int = 0
    complete: bool = False
    stopped: bool = False


class BrokenOff(Exception):
    """An export was stopped before it was complete."""


def fields(reading: Reading[Any], *, masked: bool, shown: bool = False) -> list[Field]:
    """The columns that this reader may export; with ``masked`` what is personal is masked for
    everybody, with ``shown`` only those of the page, in its order."""
    found = [
        _field(column, sight, reading.now, masked=masked)
        for column, sight in (reading.shown if shown else reading.columns())
    ]
    return [one for one in found if one is not None]


def _field(column: Column, sight: Sight, now: datetime, *, masked: bool) -> Field | None:
    read = column.mask if column.mask and (masked or sight is Sight.MASKED) else column.read
    if read is None:
        return None
    header = str(column.label)
    if column.kind is Kind.DATE:
        header = _("%(column)s (UTC)") % {"column": header}
    return Field(column.name, header, read(now), column.kind)


def watermark(export: uuid.UUID) -> Field:
    """The column that says in every row from which export it is: a copied part of a file, too, can
    be traced to who made it. It is a column like all others, so nothing that reads a file stumbles
    over it."""
    return Field("export", _("Export"), Value(str(export), TextField()), Kind.TEXT)


def csv(
    rows: models.QuerySet[Any], columns: Sequence[Field], *, sent: Sent, safe: bool = True
) -> Generator[bytes]:
    """The file in blocks of some 64 kB. ``sent`` tells, afterwards too, how much of it was taken.

    ``safe=False`` leaves formulas as they are: only for measuring what their defusing costs.
    """
    values = {f"_{column.name}": _typed(column, safe=safe) for column in columns}
    selected = rows.annotate(**values).values_list(*values)
    yield (
        _BYTE_ORDER_MARK + (",".join(_quoted(column.header) for column in columns) + "\n").encode()
    )
    try:
        sql, params = selected.query.sql_with_params()
    except EmptyResultSet:  # nobody can match: there is nothing to ask
        sent.complete = True
        return
    block = bytearray()
    with (
        connections[rows.db].cursor() as cursor,
        cursor.copy(f"COPY ({sql}) TO STDOUT (FORMAT csv)", params) as copy,
    ):
        for line in copy:
            block += line
            sent.rows += 1
            if len(block) >= _BLOCK:
                yield bytes(block)
                block.clear()
                if sent.stopped:
                    raise BrokenOff
    sent.complete = True
    if block:
        yield bytes(block)


def _typed(column: Field, *, safe: bool) -> Any:
    if column.kind is Kind.DATE:
        utc = Func(
            Value("UTC"), column.value, function="timezone", output_field=models.DateTimeField()
        )
        return Func(
            Value("second"), utc, function="date_trunc", output_field=models.DateTimeField()
        )
    if column.kind not in _UNTYPED or not safe:
        return column.value
    return harmless(column.value)


def harmless(text: Any) -> Func:
    """A text as a spreadsheet may have it: with an apostrophe before whatever would begin a
    formula, also in a cell that it is split into.

    ``text`` stands in it once: some are queries of their own, which would be asked as often.
    """
    inside = _replaced(Cast(text, TextField()), _SPLITS, r"\&'", "g")
    return _replaced(inside, _BEGINS, "'", "")


def _replaced(text: Any, pattern: str, by: str, flags: str) -> Func:
    values = Value(pattern), Value(by), Value(flags)
    return Func(text, *values, function="regexp_replace", output_field=TextField())


def harmless_text(text: str) -> str:
    """The same for a text in our own hands; what is a number stays one."""
    if _NUMBER.fullmatch(text):
        return text
    return re.sub(_BEGINS, "'", re.sub(_SPLITS, r"\g<0>'", text))


def as_it_was(text: str) -> str:
    """The text that was made harmless."""
    return _DEFUSED.sub(r"\1", text)


def _quoted(header: str) -> str:
    return f'"{header.replace(chr(34), chr(34) * 2)}"' if re.search(r'[",\r\n]', header) else header


def response(
    name: str,
    blocks: Iterator[bytes],
    *,
    finished: Callable[[], None],
    now: datetime,
    file_type: FileType = CSV,
    export: uuid.UUID,
) -> StreamingHttpResponse:
    """The download, called as ``name_of`` says. ``finished`` is called once, when all was sent or
    the reader went away."""
    here = circumstances.request_id(), circumstances.ip()

    def closed() -> None:
        # The server reads the file when the request is over for the middlewares.
        with circumstances.under(*here):
            finished()

    answer = StreamingHttpResponse(_closing(blocks, closed), content_type=file_type.content_type)
    file_name = name_of(name, export, now=now, extension=file_type.extension)
    answer.headers["Content-Disposition"] = f'attachment; filename="{file_name}"'
    answer.headers["Cache-Control"] = "no-store"
    answer.headers["X-Accel-Buffering"] = "no"
    return answer


def name_of(name: str, export: uuid.UUID, *, now: datetime, extension: str) -> str:
    """What a download is called: ``users-2026-11-23-0f8fad5b.csv``, with the beginning of the
    export's id."""
    return f"{name}-{now:%Y-%m-%d}-{str(export)[:8]}.{extension}"


def _closing(blocks: Iterator[bytes], finished: Callable[[], None]) -> Iterator[bytes]:
    try:
        yield from blocks
    finally:
        finished()
