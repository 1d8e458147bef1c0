"""Exports of a listing as Excel workbooks, written row by row to a file on disk, so that their size
costs no memory.

Numbers and moments (UTC, to the second) are typed, so that spreadsheets calculate with them. Text
is written as text whatever it begins with: nothing in a workbook of ours is a formula or a link. A
figure of more than 15 digits, which a spreadsheet would round, stands as text too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import IO, Any

from django.core.exceptions import EmptyResultSet
from django.db import models
from django.db.models import FloatField, Func
from django.utils.translation import gettext as _
from xlsxwriter import Workbook
from xlsxwriter.exceptions import FileCreateError
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from coai_admin.console.columns import Kind
from coai_admin.console.exports import BrokenOff, Field, Sent

ROWS_OF_A_SHEET = 1_048_575  # and one of headers
_LONGEST = 16_383  # characters: 32,767 is Excel's limit, counted in halves of emoji
_BIGGEST = {Kind.NUMBER: 10**15, Kind.MONEY: 10**9, Kind.DATE: 10**9}  # money has six places more
_FETCHED = 2_000
_BLOCK = 64 * 1024
_LOOKS = {Kind.NUMBER: "0", Kind.MONEY: "#,##0.00####", Kind.DATE: "yyyy-mm-dd hh:mm:ss"}
_WIDTHS = {Kind.TEXT: 28, Kind.STATE: 14, Kind.NUMBER: 12, Kind.MONEY: 16, Kind.DATE: 20}
# Excel counts days from this many before 1970.
_SERIAL = "extract(epoch FROM date_trunc('second', %(expressions)s)) / 86400 + 25569"

# How a value of a column is put into a line of a sheet.
_Put = Callable[[Worksheet, int, Any], None]


def workbook(
    rows: models.QuerySet[Any],
    columns: Sequence[Field],
    *,
    title: str,
    mark: str = "",
    sent: Sent,
    most: int = ROWS_OF_A_SHEET,
) -> Iterator[bytes]:
    """The file in blocks of some 64 kB, once all of it is written. ``title``, ``mark`` and ``most``
    are those of ``write_workbook``. ``sent`` tells, afterwards too, how many rows it holds and
    whether it was taken whole."""
    file: IO[bytes] = TemporaryFile()  # noqa: SIM115 (it is closed when it was sent)
    try:
        write_workbook(file, rows, columns, title=title, mark=mark, sent=sent, most=most)
    except BaseException:
        file.close()
        raise
    return _blocks(file, sent)


def _blocks(file: IO[bytes], sent: Sent) -> Iterator[bytes]:
    with file:
        file.seek(0)
        while block := file.read(_BLOCK):
            yield block
    sent.complete = True


def write_workbook(
    file: IO[bytes],
    rows: models.QuerySet[Any],
    columns: Sequence[Field],
    *,
    title: str,
    mark: str = "",
    sent: Sent,
    most: int = ROWS_OF_A_SHEET,
    beside: Path | None = None,
) -> None:
    """Write the workbook to ``file``. ``title`` names its sheet; after ``most`` rows another one
    begins. ``mark`` (the export's id) stands in its properties and at the foot of each printed
    page. What is written on the way stands in the folder ``beside``, by default the system's.
    Raises BrokenOff when ``sent.stopped`` was set, and OSError."""
    with TemporaryDirectory(dir=beside) as scratch:
        book = Workbook(
            file,
            {
                "constant_memory": True,
                "strings_to_formulas": False,
                "strings_to_urls": False,
                "strings_to_numbers": False,
                "tmpdir": scratch,
            },
        )
        book.set_properties({"title": title, "comments": mark})
        if mark:
            book.set_custom_property(_("Export"), mark)
        try:
            _fill(book, rows, columns, title=title, mark=mark, sent=sent, most=most)
            book.close()  # not of one that was broken off: packing takes its time
        except FileCreateError as error:
            raise error.args[0] from None  # the OSError
        finally:
            for sheet in book.worksheets():
                sheet._opt_close()


def _fill(
    book: Workbook,
    rows: models.QuerySet[Any],
    columns: Sequence[Field],
    *,
    title: str,
    mark: str,
    sent: Sent,
    most: int,
) -> None:
    puts = [_put(place, column, book) for place, column in enumerate(columns)]
    sheet = _sheet(book, columns, title, mark)
    for values in _values(rows, columns):
        if sent.stopped:
            raise BrokenOff
        if sent.rows and sent.rows % most == 0:
            sheet = _sheet(book, columns, f"{title} {sent.rows // most + 1}", mark)
        line = sent.rows % most + 1
        for put, value in zip(puts, values, strict=True):
            if value is not None:
                put(sheet, line, value)
        sent.rows += 1


def _values(rows: models.QuerySet[Any], columns: Sequence[Field]) -> Iterator[tuple[Any, ...]]:
    expressions = {f"_{column.name}": _expression(column) for column in columns}
    selected = rows.annotate(**expressions).values_list(*expressions)
    try:
        selected.query.sql_with_params()
    except EmptyResultSet:  # nobody can match: there is nothing to ask
        return
    yield from selected.iterator(chunk_size=_FETCHED)


def _expression(column: Field) -> Any:
    if column.kind is not Kind.DATE:
        return column.value
    return Func(column.value, template=f"({_SERIAL})::float8", output_field=FloatField())


def _sheet(book: Workbook, columns: Sequence[Field], title: str, mark: str) -> Worksheet:
    """A sheet with its frozen row of headers."""
    sheet = book.add_worksheet(title)
    sheet.set_footer(f"&L{mark}&R&P")
    bold = book.add_format({"bold": True, "bottom": 1})
    sheet.freeze_panes(1, 1)
    for place, column in enumerate(columns):
        sheet.set_column(place, place, max(_WIDTHS[column.kind], len(column.header) + 2))
    for place, column in enumerate(columns):
        sheet.write_string(0, place, column.header, bold)
    return sheet


def _put(place: int, column: Field, book: Workbook) -> _Put:
    def text(sheet: Worksheet, line: int, value: Any) -> None:
        sheet.write_string(line, place, str(value)[:_LONGEST])

    if column.kind not in _LOOKS:
        return text
    look: Format = book.add_format({"num_format": _LOOKS[column.kind]})
    biggest = _BIGGEST[column.kind]

    def number(sheet: Worksheet, line: int, value: Any) -> None:
        if -biggest < value < biggest:
            sheet.write_number(line, place, float(value), look)
        else:
            text(sheet, line, value)

    return number
