"""Files that are read, and files that are not: each through the real confined program."""

import io
import subprocess
import tempfile
from datetime import date, datetime

import pytest
import xlsxwriter

from bench.hostile import FILES, book, disguised_rows, sheet
from users.uploads.reader import archive, workbook
from users.uploads.reader.refusal import Refused
from users.uploads.reading import FileRefused, kind_of, look, read


def on_disk(content):
    file = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the test)
    file.write(content)
    file.flush()
    return file


def sample(content, kind="csv"):
    with on_disk(content) as file:
        return look(file, kind)


def rows(content, kind="csv"):
    with on_disk(content) as file:
        return list(read(file, kind))


@pytest.mark.parametrize("name", FILES)
def test_hostile_file_is_refused_in_words(name):
    hostile = FILES[name]
    with pytest.raises(FileRefused) as refusal, on_disk(hostile.make()) as file:
        look(file, kind_of(hostile.file_name))
    assert refusal.value.code == hostile.code
    assert "%" not in str(refusal.value)
    assert str(refusal.value).endswith(".")


def test_what_only_a_whole_reading_finds_is_refused_too():
    """Of a workbook a sample is taken first; what stands further down is met later."""
    far = "".join(
        f'<row r="{n}"><c r="A{n}" t="inlineStr"><is><t>u</t></is></c></row>' for n in range(1, 60)
    )
    far += '<row r="60"><c r="XFD60" t="inlineStr"><is><t>x</t></is></c></row>'
    content = book({"xl/worksheets/sheet1.xml": sheet(far)})
    assert sample(content, "xlsx").headings == ["u"]
    with pytest.raises(FileRefused) as refusal:
        rows(content, "xlsx")
    assert refusal.value.code == "columns"
    assert "Row 60" in str(refusal.value)


def test_rows_are_counted_as_they_are_read_whatever_they_look_like_in_the_file():
    opened = archive.opened(io.BytesIO(disguised_rows("utf-8")))
    found = workbook.book(opened)
    page = workbook.Sheet(found, [], [], lambda number, cells: None)
    with pytest.raises(Refused) as refusal:
        page.read(opened, found.member)
    assert refusal.value.code == "rows"


@pytest.mark.parametrize(
    ("encoding", "mark"),
    [
        ("utf-8", ""),
        ("utf-8", "\ufeff"),
        ("utf-16-le", "\ufeff"),
        ("utf-16-be", "\ufeff"),
        ("utf-16-le", ""),
        ("gb18030", ""),
    ],
)
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_encoding_and_delimiter_are_found_out(encoding, mark, delimiter):
    text = mark + f"username{delimiter}备注\nana{delimiter}你好，世界\n"
    found = sample(text.encode(encoding))
    assert found.headings == ["username", "备注"]
    assert found.rows == [(2, ["ana", "你好，世界"])]
    assert found.manner["delimiter"] == delimiter


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_of_any_system_are_understood(end):
    assert rows(f"username,tags{end}ana,a{end}bob,b".encode()) == [
        (2, ["ana", "a"]),
        (3, ["bob", "b"]),
    ]


def test_rows_are_numbered_as_a_spreadsheet_counts_them():
    """Empty rows are none but keep their number; a row with a line break in a cell is one row."""
    content = b'username,note\n\nana,"one\ntwo"\n,,,\nbob,,,\n'
    assert rows(content) == [(3, ["ana", "one\ntwo"]), (5, ["bob"])]


def test_delimiters_within_quotation_marks_do_not_count():
    assert sample(b'"a,b,c";d\n1;2\n').headings == ["a,b,c", "d"]


def written(write, **options):
    file = io.BytesIO()
    with xlsxwriter.Workbook(file, options) as made:
        write(made, made.add_worksheet("People"))
    return file.getvalue()


def test_cells_of_a_workbook_are_read_as_they_are_meant():
    def write(made, page):
        dated = made.add_format({"num_format": "dd/mm/yyyy"})
        clocked = made.add_format({"num_format": "yyyy-mm-dd hh:mm"})
        page.write_row(0, 0, ["a", "b", "c", "d", "e", "f", "g", "h"])
        page.write_string(1, 0, "007")
        page.write_number(1, 1, 7)
        page.write_number(1, 2, 0.1 + 0.2)
        page.write_datetime(1, 3, date(2027, 2, 28), dated)
        page.write_datetime(1, 4, datetime(2027, 2, 28, 23, 59, 59), clocked)  # noqa: DTZ001 (Excel knows no zones)
        page.write_formula(1, 5, "=1+1", None, 2)
        page.write_formula(1, 6, '="a"&"b"', None, "ab")
        page.write_boolean(1, 7, True)
        page.write_string(3, 1, "=1+1")
        page.write_number(3, 3, 12345678901234567)

    assert rows(written(write), "xlsx") == [
        (
            2,
            ["007", ["7"], ["0.3"], "2027-02-28", "2027-02-28 23:59:59", ["2"], "ab", "TRUE"],
        ),
        (4, ["", "=1+1", "", {"bad": "digits"}]),
    ]


def test_formula_without_a_value_and_errors_are_no_values():
    cells = (
        '<c r="A2"><f>1+1</f></c><c r="B2" t="e"><v>#N/A</v></c>'
        '<c r="C2" t="inlineStr"><is><r><t>ri</t></r><r><t>ch</t></r><rPh><t>no</t></rPh></is></c>'
        '<c r="D2" t="inlineStr"><is><t>a_x0009_b_x0000_</t></is></c>'
    )
    content = book(
        {
            "xl/worksheets/sheet1.xml": sheet(
                f'<row r="1"><c t="str"><v>h</v></c></row><row r="2">{cells}</row>'
            )
        }
    )
    assert rows(content, "xlsx") == [
        (2, [{"bad": "formula"}, {"bad": "error"}, "rich", "a\tb\x00"])
    ]


def test_days_that_count_from_1904_are_the_same_days():
    def write(made, page):
        page.write_row(0, 0, ["expires"])
        page.write_datetime(1, 0, date(2027, 3, 1), made.add_format({"num_format": "yyyy-mm-dd"}))

    assert rows(written(write, date_1904=True), "xlsx") == [(2, ["2027-03-01"])]


def test_the_first_sheet_that_can_be_seen_is_read():
    file = io.BytesIO()
    with xlsxwriter.Workbook(file) as made:
        hidden, shown = made.add_worksheet("Old"), made.add_worksheet("Now")
        hidden.write_row(0, 0, ["old"])
        hidden.write_row(1, 0, ["x"])
        shown.write_row(0, 0, ["new"])
        shown.write_row(1, 0, ["y"])
        shown.activate()
        shown.set_first_sheet()
        hidden.hide()
    found = sample(file.getvalue(), "xlsx")
    assert (found.headings, found.manner) == (["new"], {"sheet": "Now", "sheets": 1})


def test_the_reading_process_knows_no_secrets(monkeypatch):
    """What it is given besides the file: a path for programs, and how Python shall run."""
    seen = {}
    start = subprocess.Popen

    def started(*args, **kwargs):
        seen.update(kwargs["env"])
        return start(*args, **kwargs)

    monkeypatch.setattr(subprocess, "Popen", started)
    sample(b"username\nana\n")
    assert set(seen) == {"PATH", "PYTHONDONTWRITEBYTECODE", "PYTHONUTF8"}
