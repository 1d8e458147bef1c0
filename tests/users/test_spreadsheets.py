"""What spreadsheets make of an export: nothing in it is a formula, whatever begins whichever text
of it; numbers stay numbers, and moments moments. Read back by csv, openpyxl and LibreOffice."""

import csv
import subprocess
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

import pytest
from django.db.models import Case, CharField, TextField, Value, When
from django.http import QueryDict
from openpyxl import load_workbook

from audit.people import SYSTEM
from billing.services import adjust_credits
from coai_admin.console import exports as files
from coai_admin.console.columns import Kind
from coai_admin.console.workbooks import workbook
from tests.factories import NOON, make_staff, make_users
from users.models import User
from users.roles import Role
from users.table import USERS

pytestmark = pytest.mark.django_db

# What OWASP and ASVS name, with the full-width forms, and what would leave its cell for the next.
PREFIXES = ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠", '",=']
# What splits a text where cells are parted by another sign than the comma.
SPLITTING = [f"x{sign}" for sign in (";", ';"', "\t", "\n", "\r", ";;", ";\t", ',";')]
TEXTS = [f"{prefix}SUM(1;2)" for prefix in PREFIXES]
TEXTS += [f"{prefix}=SUM(1;2)" for prefix in SPLITTING] + ["\t=SUM(1;2)", "a; b\r\nc; SUM(1;2)"]
CREDITS = Decimal("1234.567891")
OFFICE = "urn:oasis:names:tc:opendocument:xmlns:"
VALUE_TYPE, FORMULA, REPEATED, VALUE, DATE = (
    f"{{{OFFICE}office:1.0}}value-type",
    f"{{{OFFICE}table:1.0}}formula",
    f"{{{OFFICE}table:1.0}}number-columns-repeated",
    f"{{{OFFICE}office:1.0}}value",
    f"{{{OFFICE}office:1.0}}date-value",
)


@pytest.fixture
def export():
    """The rows and columns of an export in which every text column holds every hostile text."""
    ids = make_users(len(TEXTS))
    adjust_credits(ids, actor=SYSTEM, delta=CREDITS, reason="gift")
    User.objects.filter(pk__in=ids).update(joined_at=NOON)
    reading = USERS.read(
        QueryDict("username=many&sort=id"), viewer=make_staff(Role.SUPER_ADMIN), now=NOON
    )
    columns = [_hostile(column, ids) for column in files.fields(reading, masked=False)]
    assert sum(column.kind in (Kind.TEXT, Kind.STATE) for column in columns) >= 10
    return reading.ordered(), columns


def _hostile(column, ids):
    if column.kind not in (Kind.TEXT, Kind.STATE):
        return column
    whens = [When(pk=pk, then=Value(text)) for pk, text in zip(ids, TEXTS, strict=True)]
    kind = CharField() if column.name == "country" else TextField()  # as a column of either has it
    return replace(column, value=Case(*whens, output_field=kind))


def written(export, file_type, folder):
    rows, columns = export
    sent = files.Sent()
    if file_type is files.CSV:
        blocks = files.csv(rows, columns, sent=sent)
    else:
        blocks = workbook(rows, columns, title="Users", sent=sent)
    path = folder / f"users.{file_type.extension}"
    path.write_bytes(b"".join(blocks))
    return path


def texts_of(columns):
    return [place for place, column in enumerate(columns) if column.kind in (Kind.TEXT, Kind.STATE)]


def defused(text):
    """As CSV has it: an apostrophe before what begins a formula; a quote begins none."""
    if text.startswith("x"):
        return text.replace("=", "'=")
    return text if text.startswith(('"', "a")) else f"'{text}".replace("\t=", "\t'=")


def test_csv_reads_every_text_with_an_apostrophe_before_a_formula(export, tmp_path):
    path = written(export, files.CSV, tmp_path)
    with path.open(encoding="utf-8-sig", newline="") as file:
        _headers, *rows = csv.reader(file)
    columns = export[1]
    for text, row in zip(TEXTS, rows, strict=True):
        for place in texts_of(columns):
            assert row[place] == defused(text)
        assert Decimal(row[_place(columns, "credits")]) == CREDITS
        assert datetime.fromisoformat(row[_place(columns, "joined")]) == NOON.replace(tzinfo=None)


def test_csv_has_no_formula_where_cells_are_parted_by_other_signs(export, tmp_path):
    path = written(export, files.CSV, tmp_path)
    for text in path.read_text("utf-8-sig").splitlines():
        for sign in ";\t":
            assert not [cell for cell in text.split(sign)[1:] if cell.lstrip('"').startswith("=")]


def test_text_in_our_own_hands_is_made_harmless_alike_and_comes_back():
    for text in TEXTS:
        assert files.harmless_text(text) == defused(text)
        assert files.as_it_was(defused(text)) == text
    for text in ("-5", "-0.25", "a - b", "1;2", "'ana", "a\r\nb"):
        assert files.harmless_text(text) == files.as_it_was(text) == text


def _place(columns, name):
    return [column.name for column in columns].index(name)


def test_openpyxl_reads_every_text_as_text(export, tmp_path):
    sheet = load_workbook(written(export, files.XLSX, tmp_path)).active
    columns = export[1]
    for text, row in zip(TEXTS, list(sheet.rows)[1:], strict=True):
        for place in texts_of(columns):
            assert row[place].data_type in ("s", "inlineStr")
            # A carriage return stands escaped in the file; openpyxl leaves it so.
            assert row[place].value.replace("_x000D_", "\r") == text
        assert row[_place(columns, "credits")].value == float(CREDITS)
        assert row[_place(columns, "joined")].value == NOON.replace(tzinfo=None)


@pytest.mark.libreoffice
@pytest.mark.parametrize("file_type", [files.CSV, files.XLSX], ids=["csv", "xlsx"])
def test_libreoffice_finds_text_numbers_moments_and_no_formula(export, file_type, tmp_path):
    cells = opened(written(export, file_type, tmp_path), tmp_path)
    columns = export[1]
    assert len(cells) == len(TEXTS)
    for text, row in zip(TEXTS, cells, strict=True):
        for place in texts_of(columns):
            kind, value = row[place]
            assert kind == "string"
            shown = defused(text) if file_type is files.CSV else text
            assert squeezed(value) == squeezed(shown)
        kind, value = row[_place(columns, "credits")]
        assert (kind, round(float(value), 6)) == ("float", float(CREDITS))
        kind, value = row[_place(columns, "joined")]
        assert (kind, value) == ("date", "2026-11-20T12:00:00")


def squeezed(text):
    """Without the white space that LibreOffice writes as elements of their own."""
    return "".join(text.split())


def opened(path, folder):
    """What LibreOffice has in its cells after opening the file: kind and value, by row. It asserts
    that nothing is a formula, and that LibreOffice's own CSV of it holds no result of one."""
    convert(path, "fods", folder)
    tree = ElementTree.parse(path.with_suffix(".fods"))
    rows = tree.iter(f"{{{OFFICE}table:1.0}}table-row")
    found = [[cell for each in row for cell in _cells(each)] for row in rows]
    convert(path.with_suffix(".fods"), "csv:Text - txt - csv (StarCalc):44,34,76", folder)
    result = path.with_suffix(".csv").read_text("utf-8")
    assert "SUM(1;2)" in result
    assert "#NAME" not in result
    assert "Err:" not in result
    return [row for row in found[1:] if any(kind for kind, _value in row)]


def _cells(cell):
    assert FORMULA not in cell.attrib
    kind = cell.get(VALUE_TYPE, "")
    text = "".join("".join(part.itertext()) for part in cell)
    value = cell.get(VALUE) or cell.get(DATE) or text
    return [(kind, value)] * min(int(cell.get(REPEATED, "1")), 200)


def convert(path, into, folder):
    subprocess.run(
        [
            "soffice",
            f"-env:UserInstallation=file://{folder}/profile",
            "--headless",
            *(["--infilter=CSV:44,34,76,1"] if path.suffix == ".csv" else []),
            "--convert-to",
            into,
            "--outdir",
            folder,
            path,
        ],
        check=True,
        capture_output=True,
        timeout=120,
    )
