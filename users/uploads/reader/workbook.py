"""Excel workbooks: the rows of their first visible sheet, parsed in a stream. Formulas are never
computed: what Excel stored as their value is read."""

from __future__ import annotations

import posixpath
import re
import zipfile
from collections.abc import Callable, Sequence
from typing import NamedTuple

from users.uploads.reader import archive, markup
from users.uploads.reader.bounds import (
    LONGEST_CELL,
    MOST_COLUMNS,
    MOST_ROWS_OF_A_SHEET,
)
from users.uploads.reader.cells import Cell, moment, number, shows_dates, unescaped
from users.uploads.reader.refusal import Refused

_RELATIONS = "xl/_rels/workbook.xml.rels"
_STRINGS, _STYLES = "xl/sharedStrings.xml", "xl/styles.xml"
_ID = "http://schemas.openxmlformats.org/officeDocument/2006/relationships id"
_STRICT_ID = "http://purl.oclc.org/ooxml/officeDocument/relationships id"
_REFERENCE = re.compile(r"([A-Z]{1,3})[0-9]+", re.ASCII)
_ROW, _PREFIXED_ROW = b"<row", b":row"
OnRow = Callable[[int, list[Cell]], None]
TOO_LONG: Cell = {"bad": "long"}


class Book(NamedTuple):
    """What of a workbook is read: the member with the first visible sheet, its name, how many
    sheets are visible, and whether its days count from 1904."""

    member: str
    sheet: str
    sheets: int
    from_1904: bool


def book(file: zipfile.ZipFile) -> Book:
    """Find the sheet. Raises Refused."""
    sheets: list[tuple[str, str]] = []
    from_1904 = False

    def starts(name: str, attributes: dict[str, str]) -> None:
        nonlocal from_1904
        if name == "workbookPr":
            from_1904 = attributes.get("date1904", "0") in ("1", "true")
        elif name == "sheet" and attributes.get("state", "visible") == "visible":
            relation = attributes.get(_ID) or attributes.get(_STRICT_ID) or ""
            sheets.append((attributes.get("name", ""), relation))

    markup.read(archive.blocks(file, archive.WORKBOOK), starts=starts)
    targets = _targets(file)
    if not sheets or sheets[0][1] not in targets:
        raise Refused("no_workbook")
    return Book(targets[sheets[0][1]], sheets[0][0][:100], len(sheets), from_1904)


def _targets(file: zipfile.ZipFile) -> dict[str, str]:
    """The members that the workbook refers to."""
    found: dict[str, str] = {}

    def starts(name: str, attributes: dict[str, str]) -> None:
        if name != "Relationship":
            return
        if attributes.get("TargetMode") == "External":
            raise Refused("links")
        target = posixpath.normpath(posixpath.join("/xl", attributes.get("Target", "")))
        found[attributes.get("Id", "")] = target.lstrip("/")

    markup.read(archive.blocks(file, _RELATIONS), starts=starts)
    return found


def count_rows(file: zipfile.ZipFile, member: str) -> None:
    """That the sheet has not too many rows, before it is parsed, which counts them again. In UTF-16
    there is a NUL beside each letter. Raises Refused."""
    rows, rest = 0, b""
    for block in archive.blocks(file, member):
        text = rest + block.replace(b"\0", b"")
        rows += text.count(_ROW) + text.count(_PREFIXED_ROW)
        rest = text[-len(_ROW) + 1 :]
        if rows > MOST_ROWS_OF_A_SHEET:
            raise Refused("rows")


def dates(file: zipfile.ZipFile) -> list[bool]:
    """For each style of cells, whether it shows dates. Raises Refused."""
    if _STYLES not in file.namelist():
        return []
    codes: dict[str, str] = {}
    found: list[bool] = []
    inside = False

    def starts(name: str, attributes: dict[str, str]) -> None:
        nonlocal inside
        if name == "numFmt":
            codes[attributes.get("numFmtId", "")] = attributes.get("formatCode", "")[:200]
        elif name == "cellXfs":
            inside = True
        elif name == "xf" and inside:
            pk = attributes.get("numFmtId", "0")
            found.append(shows_dates(int(pk) if pk.isdigit() else 0, codes.get(pk, "")))

    def ends(name: str) -> None:
        nonlocal inside
        inside = inside and name != "cellXfs"

    markup.read(archive.blocks(file, _STYLES), starts=starts, ends=ends)
    return found


def strings(file: zipfile.ZipFile, *, upto: int | None = None) -> list[Cell]:
    """The texts that cells share; with ``upto`` only those until this one. Raises Refused."""
    found: list[Cell] = []
    if _STRINGS not in file.namelist() or upto == -1:
        return found
    text = _Text()

    def starts(name: str, attributes: dict[str, str]) -> None:
        text.starts(name)

    def ends(name: str) -> None:
        text.ends(name)
        if name == "si":
            found.append(text.taken())
            if upto is not None and len(found) > upto:
                raise markup.Enough

    blocks = archive.blocks(file, _STRINGS)
    markup.read(blocks, starts=starts, ends=ends, text=text.adds)
    return found


class _Text:
    """Gathers the text of a cell: of its ``t`` elements, without what is only how to say it."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._length = 0
        self._open = self._aside = False

    def starts(self, name: str) -> None:
        self._aside = self._aside or name == "rPh"
        self._open = name == "t" and not self._aside

    def ends(self, name: str) -> None:
        self._open = False
        if name == "rPh":
            self._aside = False

    def adds(self, text: str) -> None:
        if self._open and self._length <= LONGEST_CELL:
            self._parts.append(text)
            self._length += len(text)

    def taken(self) -> Cell:
        text, too_long = "".join(self._parts), self._length > LONGEST_CELL
        self._parts, self._length = [], 0
        return TOO_LONG if too_long else unescaped(text)


class Sheet:
    """Reads the rows of a sheet and hands each that is not empty to ``on_row``. A shared text is
    looked up in ``shared``; without it, its place is given as ``{"shared": place}``."""

    def __init__(
        self, of: Book, styles: Sequence[bool], shared: Sequence[Cell] | None, on_row: OnRow
    ) -> None:
        self._from_1904 = of.from_1904
        self._styles = styles
        self._shared = shared
        self._on_row = on_row
        self._row = self._rows = 0
        self._cells: list[Cell] = []
        self._column = 0
        self._type = self._style = ""
        self._value: list[str] = []
        self._in_value = self._has_value = self._has_formula = self._in_cell = False
        self._text = _Text()

    def read(self, file: zipfile.ZipFile, member: str) -> None:
        """Raises Refused, and whatever ``on_row`` raises."""
        blocks = archive.blocks(file, member)
        markup.read(blocks, starts=self._starts, ends=self._ends, text=self._adds)

    def _starts(self, name: str, attributes: dict[str, str]) -> None:
        if name == "c":
            self._begin_cell(attributes)
        elif name == "v":
            self._in_value = self._has_value = self._in_cell
        elif name == "f":
            self._has_formula = True
        elif name == "row":
            self._begin_row(attributes.get("r", ""))
        elif self._in_cell:
            self._text.starts(name)

    def _begin_row(self, told: str) -> None:
        row = int(told) if told.isdigit() and len(told) < 9 else self._row + 1
        if row <= self._row:
            raise Refused("broken")
        self._rows += 1
        if self._rows > MOST_ROWS_OF_A_SHEET:
            raise Refused("rows")
        self._row, self._cells, self._column = row, [], 0

    def _begin_cell(self, attributes: dict[str, str]) -> None:
        place = _REFERENCE.fullmatch(attributes.get("r", ""))
        self._column = _column(place[1]) if place else self._column + 1
        self._type, self._style = attributes.get("t", "n"), attributes.get("s", "")
        self._value = []
        self._in_value = self._has_value = self._has_formula = False
        self._in_cell = True

    def _adds(self, text: str) -> None:
        if self._in_value:
            self._value.append(text)
        elif self._in_cell:
            self._text.adds(text)

    def _ends(self, name: str) -> None:
        if name == "c":
            self._in_cell = False
            self._put(self._cell())
        elif name == "v":
            self._in_value = False
        elif name == "row":
            if self._cells:
                self._on_row(self._row, self._cells)
        elif self._in_cell:
            self._text.ends(name)

    def _put(self, cell: Cell) -> None:
        if cell == "":
            return
        if self._column > MOST_COLUMNS:
            raise Refused("columns", row=self._row)
        if cell == TOO_LONG:
            raise Refused("cell", row=self._row)
        if self._column <= len(self._cells):
            raise Refused("broken")
        self._cells += [""] * (self._column - 1 - len(self._cells))
        self._cells.append(cell)

    def _cell(self) -> Cell:
        if self._type == "inlineStr":
            return self._text.taken()
        value = "".join(self._value)
        if not self._has_value or (value == "" and self._type != "str"):
            return {"bad": "formula"} if self._has_formula else ""
        if self._type == "s":
            return self._shared_text(value)
        if self._type == "str":
            return unescaped(value) if len(value) <= LONGEST_CELL else TOO_LONG
        if self._type == "b":
            return "TRUE" if value == "1" else "FALSE"
        if self._type == "e":
            return {"bad": "error"}
        if self._type == "d":
            return value[:40]
        if self._shows_dates():
            return moment(value, from_1904=self._from_1904)
        return number(value)

    def _shows_dates(self) -> bool:
        place = int(self._style) if self._style.isdigit() else 0
        return place < len(self._styles) and self._styles[place]

    def _shared_text(self, value: str) -> Cell:
        if not value.isdigit() or len(value) > 9:
            raise Refused("broken")
        if self._shared is None:
            return {"shared": value}
        if int(value) >= len(self._shared):
            raise Refused("broken")
        return self._shared[int(value)]


def _column(letters: str) -> int:
    place = 0
    for letter in letters:
        place = place * 26 + ord(letter) - 64
    return place
