"""Files that nobody should be able to make the console read: each with its name, how it is made,
and the code by which it is refused. For bench/hostile_files.py and the tests."""

from __future__ import annotations

import io
import random
import stat
import struct
import zipfile
from collections.abc import Callable, Mapping
from typing import NamedTuple

_MAIN = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
_TYPES = '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>'
_RELATED = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_WORKBOOK = (
    f'<workbook {_MAIN} xmlns:r="{_RELATED}"><sheets>'
    '<sheet name="Users" sheetId="1" r:id="r1"/></sheets></workbook>'
)
_RELATIONS = (
    '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
    '<Relationship Id="r1" Type="t" Target="worksheets/sheet1.xml"/>%s</Relationships>'
)
_SHEET = "xl/worksheets/sheet1.xml"
_PEOPLE = (
    '<row r="1"><c r="A1" t="inlineStr"><is><t>username</t></is></c></row>'
    '<row r="2"><c r="A2" t="inlineStr"><is><t>ana</t></is></c></row>'
)
_MEGABYTE = 1024 * 1024


class Hostile(NamedTuple):
    """``file_name`` as it is uploaded; ``code`` of ``users.uploads.reading``."""

    file_name: str
    make: Callable[[], bytes]
    code: str


def sheet(rows: str = _PEOPLE, *, before: str = "") -> str:
    """A worksheet with these rows."""
    return f"{before}<worksheet {_MAIN}><sheetData>{rows}</sheetData></worksheet>"


def book(
    members: Mapping[str, str | bytes] | None = None,
    *,
    relations: str = "",
    change: Callable[[zipfile.ZipInfo], None] = lambda entry: None,
    method: int = zipfile.ZIP_DEFLATED,
) -> bytes:
    """A workbook as small as can be, with further ``members``, or other ones of the same name."""
    parts: dict[str, str | bytes] = {
        "[Content_Types].xml": _TYPES,
        "xl/workbook.xml": _WORKBOOK,
        "xl/_rels/workbook.xml.rels": _RELATIONS % relations,
        _SHEET: sheet(),
        **(members or {}),
    }
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in parts.items():
            entry = zipfile.ZipInfo(name)
            entry.compress_type = method
            change(entry)
            archive.writestr(entry, content)
    return file.getvalue()


def _noisy(number: int, size: int) -> bytes:
    """A row that packs badly."""
    text = random.Random(number).randbytes(size).hex()  # noqa: S311 (noise)
    return f'<row><c t="inlineStr"><is><t>{text}</t></is></c></row>'.encode()


def _many_rows() -> bytes:
    """A million rows that pack well."""
    rows = "".join(
        f'<row r="{n}"><c r="A{n}" t="inlineStr"><is><t>ana</t></is></c></row>'
        for n in range(1, 1_000_001)
    )
    return book({_SHEET: sheet(rows)})


def _many_quiet_rows() -> bytes:
    """As many, with enough noise between them that the ratio is harmless."""
    rows = b"<row><c/></row>" * 1_000 + _noisy(1, 400)
    return book({_SHEET: sheet("%s").encode().replace(b"%s", rows * 900)}, method=0)


def _large() -> bytes:
    """210 MB unpacked, nothing of it suspicious by its ratio."""
    part = b"".join(_noisy(n, 2_000) for n in range(50)) + b" " * 3_000_000
    return book({f"xl/media/{n}.xml": part for n in range(70)})


def _lies() -> bytes:
    """The list says of a member that it is small."""
    content = bytearray(book({_SHEET: sheet(_PEOPLE + " " * 40 * _MEGABYTE)}))
    real = struct.pack("<L", len(sheet(_PEOPLE + " " * 40 * _MEGABYTE)))
    for _time in range(2):
        place = content.rfind(real)
        content[place : place + 4] = struct.pack("<L", 3_000)
    return bytes(content)


def _packed_size_is_a_lie() -> bytes:
    """The list says of a member that it is hardly packed at all: as what follows it belonged to
    it."""
    noise = random.Random(1).randbytes(2 * _MEGABYTE)  # noqa: S311 (noise)
    members = {_SHEET: sheet(_PEOPLE + " " * 80 * _MEGABYTE), "xl/media/noise.bin": noise}
    content = bytearray(book(members))
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        packed = archive.getinfo(_SHEET).compress_size
    place = content.rfind(struct.pack("<L", packed))
    content[place : place + 4] = struct.pack("<L", _MEGABYTE)
    return bytes(content)


def _overlapping() -> bytes:
    """A hundred members that are all made of the same bytes."""
    noise = random.Random(1).randbytes(500_000)  # noqa: S311 (noise)
    members = {f"xl/media/{n}.bin": b"" for n in range(100)}
    content = bytearray(book({"xl/media/real.bin": noise, **members}))
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        real = archive.getinfo("xl/media/real.bin")
    sizes = struct.pack("<LLL", real.CRC, real.compress_size, real.file_size)
    for name in members:
        entry = content.rfind(name.encode()) - 46
        content[entry + 16 : entry + 28] = sizes
        content[entry + 42 : entry + 46] = struct.pack("<L", real.header_offset)
    return bytes(content)


def _one_token(begins: str, ends: str) -> Callable[[], bytes]:
    """A piece of markup of 19 MB: whoever parses it block by block begins anew with each."""
    return lambda: book({_SHEET: sheet(begins + "x" * 19 * _MEGABYTE + ends)}, method=0)


def disguised_rows(encoding: str) -> bytes:
    """Rows that are not written as every program writes them, after some that hold somebody."""
    people = "".join(f"<x:row><x:c t='str'><x:v>u{n}</x:v></x:c></x:row>" for n in range(40))
    rows = people + "<x:row/>" * 250_000
    text = f"<x:worksheet {_MAIN.replace('xmlns', 'xmlns:x')}><x:sheetData>{rows}"
    text += "</x:sheetData></x:worksheet>"
    return book({_SHEET: text.encode(encoding)}, method=0)


def _encrypted() -> bytes:
    content = bytearray(book())
    for mark, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = content.find(mark)
        while place >= 0:
            content[place + flags] |= 1
            place = content.find(mark, place + 4)
    return bytes(content)


def _link(entry: zipfile.ZipInfo) -> None:
    if entry.filename == _SHEET:
        entry.create_system, entry.external_attr = 3, (stat.S_IFLNK | 0o777) << 16


_LAUGHS = "<!DOCTYPE lol [" + '<!ENTITY a "lol">'
_LAUGHS += "".join(f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(9))
_LAUGHS += "]>"
_FILE = '<!DOCTYPE sst [<!ENTITY secret SYSTEM "file:///etc/passwd">]>'
_QUADRATIC = f'<!DOCTYPE q [<!ENTITY a "{"a" * 50_000}">]>'
_FAR = '<row r="1048576"><c r="XFD1048576" t="inlineStr"><is><t>x</t></is></c></row>'
_DEEP = "<is>" * 100_000
_OUTSIDE = f'<Relationship Id="r2" Type="{_RELATED}/externalLink" Target="file:///etc/passwd" TargetMode="External"/>'  # noqa: E501

FILES: dict[str, Hostile] = {
    "rows: a million in 3 MB": Hostile("u.xlsx", _many_rows, "rows"),
    "rows: a million, little packed": Hostile("u.xlsx", _many_quiet_rows, "rows"),
    "rows: 250,000 of another name": Hostile("u.xlsx", lambda: disguised_rows("utf-8"), "rows"),
    "rows: 250,000 in UTF-16": Hostile("u.xlsx", lambda: disguised_rows("utf-16"), "rows"),
    "ratio: 80 MB of blanks": Hostile(
        "u.xlsx", lambda: book({_SHEET: sheet(_PEOPLE + " " * 80 * _MEGABYTE)}), "ratio"
    ),
    "unpacked: 210 MB": Hostile("u.xlsx", _large, "unpacked"),
    "a size that is a lie": Hostile("u.xlsx", _lies, "broken"),
    "a packed size that is a lie": Hostile("u.xlsx", _packed_size_is_a_lie, "broken"),
    "a hundred members in one place": Hostile("u.xlsx", _overlapping, "broken"),
    "a remark of 19 MB": Hostile("u.xlsx", _one_token("<!--", "-->"), "xml"),
    "an attribute of 19 MB": Hostile("u.xlsx", _one_token('<row spans="', '"/>'), "xml"),
    "a cell at XFD1048576": Hostile(
        "u.xlsx", lambda: book({_SHEET: sheet(_PEOPLE + _FAR)}), "columns"
    ),
    "10,000 members": Hostile(
        "u.xlsx", lambda: book({f"xl/{n}.xml": "" for n in range(10_000)}), "members"
    ),
    "entities within entities": Hostile(
        "u.xlsx",
        lambda: book({_SHEET: sheet("<row><c t='str'><v>&j;</v></c></row>", before=_LAUGHS)}),
        "dtd",
    ),
    "one entity, often": Hostile(
        "u.xlsx",
        lambda: book({_SHEET: sheet("&a;" * 50_000, before=_QUADRATIC)}),
        "dtd",
    ),
    "an entity from a file": Hostile(
        "u.xlsx",
        lambda: book(
            {
                _SHEET: sheet('<row r="1"><c r="A1" t="s"><v>0</v></c></row>' + _PEOPLE[69:]),
                "xl/sharedStrings.xml": f"{_FILE}<sst {_MAIN}><si><t>&secret;</t></si></sst>",
            }
        ),
        "dtd",
    ),
    "elements 100,000 deep": Hostile(
        "u.xlsx", lambda: book({_SHEET: sheet(f'<row r="1"><c r="A1">{_DEEP}')}, method=0), "xml"
    ),
    "external links": Hostile(
        "u.xlsx", lambda: book({"xl/externalLinks/externalLink1.xml": "<x/>"}), "links"
    ),
    "a sheet that is elsewhere": Hostile("u.xlsx", lambda: book(relations=_OUTSIDE), "links"),
    "macros": Hostile("u.xlsx", lambda: book({"xl/vbaProject.bin": b"\xd0\xcf"}), "macros"),
    "a file in the file": Hostile(
        "u.xlsx", lambda: book({"xl/embeddings/oleObject1.bin": b"\xd0\xcf"}), "embedded"
    ),
    "a password": Hostile("u.xlsx", lambda: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" * 400, "old"),
    "encrypted members": Hostile("u.xlsx", _encrypted, "encrypted"),
    "cut short": Hostile("u.xlsx", lambda: book()[:-30], "broken"),
    "../../etc/passwd": Hostile("u.xlsx", lambda: book({"../../etc/passwd": "x"}), "paths"),
    "a symbolic link": Hostile("u.xlsx", lambda: book(change=_link), "broken"),
    "LZMA": Hostile("u.xlsx", lambda: book(method=zipfile.ZIP_LZMA), "broken"),
    "an archive of anything": Hostile(
        "u.xlsx",
        lambda: book({"xl/workbook.xml": "<workbook/>"}),
        "no_workbook",
    ),
    "text called .xlsx": Hostile("u.xlsx", lambda: b"username\nana\n", "not_xlsx"),
    "a workbook called .csv": Hostile("u.csv", book, "not_csv"),
    "a workbook with macros by its name": Hostile("u.xlsm", book, "name"),
    "over 20 MB": Hostile("u.csv", lambda: b"username\n" + b"ana\n" * 5_500_000, "bytes"),
    "nothing": Hostile("u.csv", lambda: b"", "empty"),
    "300,000 rows": Hostile("u.csv", lambda: b"username\n" + b"ana\n" * 300_000, "rows"),
    "100,000 columns": Hostile("u.csv", lambda: b"a," * 100_000 + b"\n1\n", "columns"),
    "one line of 19 MB": Hostile("u.csv", lambda: b"username\n" + b"a" * 19 * _MEGABYTE, "line"),
    "a quotation mark without end": Hostile(
        "u.csv", lambda: b'username\n"' + b"ana\n" * 4_000_000, "cell"
    ),
    "lone quotation marks": Hostile("u.csv", lambda: b'username\n"an"a\n', "quotes"),
    "a cell of 50,000 characters": Hostile(
        "u.csv", lambda: b"username\n" + b"a" * 50_000 + b"\n", "cell"
    ),
    "NUL characters": Hostile("u.csv", lambda: b"username\nan\x00a\n", "nul"),
    "noise": Hostile("u.csv", lambda: b"\x01" + random.Random(1).randbytes(_MEGABYTE), "nul"),  # noqa: S311
    "UTF-32": Hostile("u.csv", lambda: "\ufeffusername\nana\n".encode("utf-32-le"), "encoding"),
    "half a surrogate pair": Hostile(
        "u.csv",
        lambda: b"\xff\xfe" + "username\nan".encode("utf-16-le") + b"\x00\xd8a\x00",
        "encoding",
    ),
}
