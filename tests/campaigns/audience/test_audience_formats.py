"""JSON lines, workbooks, and recipients written in the campaign file."""

import zipfile
from datetime import date, datetime, time
from pathlib import Path

import openpyxl
import pytest

from campaigns.audience import AudienceProblem, AudienceRow, inline_rows, open_source

ANNA = "+393331234567"


def lines_of(folder: Path, *lines: str) -> Path:
    path = folder / "people.jsonl"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def workbook_of(folder: Path, *rows: list[object]) -> Path:
    workbook = openpyxl.Workbook()
    sheet = workbook.worksheets[0]
    for row in rows:
        sheet.append(row)
    path = folder / "people.xlsx"
    workbook.save(path)
    workbook.close()
    return path


def test_one_object_a_line(tmp_path: Path) -> None:
    path = lines_of(tmp_path, f'{{"number": "{ANNA}", "First Name": "Zoë"}}', "", '{"number": 2, "vip": true}')

    reader = open_source(path, number_column="number")

    assert reader.columns == ("number", "first_name", "vip")
    assert list(reader) == [
        AudienceRow(1, ANNA, {"number": ANNA, "first_name": "Zoë"}),
        AudienceRow(3, "2", {"number": "2", "vip": "true"}),
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("393331234567", "393331234567"),
        ("393331234567.0", "393331234567"),
        ("12.5", "12.5"),
        ("null", ""),
        ("false", "false"),
        ('" x "', "x"),
        ("NaN", ""),
    ],
)
def test_values_become_texts(tmp_path: Path, value: str, text: str) -> None:
    path = lines_of(tmp_path, f'{{"number": 1, "value": {value}}}')

    (row,) = open_source(path, number_column="number")

    assert row.fields["value"] == text


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('{"number": ', "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ('["number"]', "is not a JSON object"),
        ("7", "is not a JSON object"),
        ('{"number": [1]}', "contains more than one value in number"),
        ('{"number": 1, "a": {"b": 1}}', "contains more than one value in a"),
        ('{"number": 1, "Name": "a", "name": "b"}', "has the same field twice"),
        ('{"number": 1, "name": 1e999}', "contains a number that is too large in name"),
        ('{"number": 1, "name": -Infinity}', "contains a number that is too large in name"),
        ('{"number": 1, "name": "\\ud83d"}', "has a broken character in name"),
        ('{"number": 1, "name": "\\u0000"}', "has a broken character in name"),
    ],
)
def test_a_broken_line_is_an_invalid_row(tmp_path: Path, line: str, problem: str) -> None:
    path = lines_of(tmp_path, '{"number": 1, "name": "x"}', line)

    assert list(open_source(path, number_column="number"))[1] == AudienceRow(2, "", {}, problem)


@pytest.mark.parametrize(
    ("line", "problem"), [("", "is empty"), ("[]", "has no JSON object"), ('{"phone": 1}', "there is no column number")]
)
def test_json_lines_that_cannot_be_opened(tmp_path: Path, line: str, problem: str) -> None:
    with pytest.raises(AudienceProblem, match=problem):
        open_source(lines_of(tmp_path, line), number_column="number")


def test_a_value_without_end_breaks_off(tmp_path: Path) -> None:
    reader = open_source(lines_of(tmp_path, f'{{"number": "{"1" * 10_001}"}}'), number_column="number")

    with pytest.raises(AudienceProblem, match="line 1: a cell is over"):
        list(reader)


def test_cells_of_a_workbook_become_texts(tmp_path: Path) -> None:
    path = workbook_of(
        tmp_path,
        ["Phone", "Day", "At", "Time", "Price", "Visits"],
        [393331234567, date(2026, 12, 1), datetime(2026, 12, 1, 9, 30), time(9, 30), 12.5, 3.0],  # noqa: DTZ001 - so is a cell
    )

    (row,) = open_source(path, number_column="phone")

    assert row.number == "393331234567"
    assert row.fields == {
        "phone": "393331234567",
        "day": "2026-12-01",
        "at": "2026-12-01 09:30:00",
        "time": "09:30:00",
        "price": "12.5",
        "visits": "3",
    }


def test_rows_of_a_workbook_keep_their_numbers(tmp_path: Path) -> None:
    path = workbook_of(tmp_path, [], ["number", "name", None], [], [1, "Anna"], [None, None], [2], [3, "Bea", "VIP"])

    rows = list(open_source(path, number_column="number"))

    assert [(row.line, row.number, row.problem) for row in rows] == [
        (4, "1", ""),
        (6, "2", ""),
        (7, "3", ""),
    ]


def test_other_sheets_are_told_of(tmp_path: Path) -> None:
    path = workbook_of(tmp_path, ["number"], [1])
    workbook = openpyxl.load_workbook(path)
    workbook.create_sheet("Others")
    workbook.save(path)
    workbook.close()

    assert open_source(path, number_column="number").warnings == (
        "people.xlsx has 2 sheets: only the first, Sheet, was read",
    )


def test_a_workbook_that_lies_about_its_size_is_read_to_its_end(tmp_path: Path) -> None:
    # given a sheet that claims to end at A1, as some programs write it
    whole = workbook_of(tmp_path, ["number", "name"], [1, "Anna"], [2, "Bea"])
    path = tmp_path / "claims.xlsx"
    with zipfile.ZipFile(whole) as source, zipfile.ZipFile(path, "w") as target:
        for entry in source.infolist():
            content = source.read(entry)
            target.writestr(entry, content.replace(b'<dimension ref="A1:B3"', b'<dimension ref="A1"'))

    assert [row.number for row in open_source(path, number_column="number")] == ["1", "2"]


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ([], "the first sheet is empty"),
        ([["name"]], "there is no column number"),
    ],
)
def test_workbooks_that_cannot_be_opened(tmp_path: Path, rows: list[list[object]], problem: str) -> None:
    with pytest.raises(AudienceProblem, match=problem):
        open_source(workbook_of(tmp_path, *rows), number_column="number")


OLD_WORKBOOK = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504)
WEB_PAGE = b"\xef\xbb\xbf\n<HTML><table><tr><td>number</td></tr></table>"


@pytest.mark.parametrize(
    ("ending", "content", "problem", "hint"),
    [
        ("xlsx", b"", "is empty", "rows"),
        ("xlsx", b"number,name\n", "is not an .xlsx workbook", "save it as .xlsx, or rename a text file to .csv"),
        ("xlsx", b"PK\x03\x04 and then nothing", "is not a workbook that can be read", "save it again"),
        ("xlsx", OLD_WORKBOOK, "is a workbook of Excel 97-2003, or one with a password", "save it as .xlsx without"),
        ("xlsx", b"%PDF-1.7", "is a PDF document", "CSV UTF-8"),
        ("xlsx", WEB_PAGE, "is a web page or XML", "save it as .xlsx or CSV UTF-8"),
        ("csv", b"PK\x03\x04rest", "is a workbook or a zip archive", "CSV UTF-8, or name it .xlsx"),
        ("csv", OLD_WORKBOOK, "is a workbook of Excel 97-2003, or one with a password", "save it as .xlsx without"),
        ("csv", b"%PDF-1.7", "is a PDF document", "CSV UTF-8"),
        ("csv", WEB_PAGE, "is a web page or XML", "save it as .xlsx or CSV UTF-8"),
        ("csv", b"<!DOCTYPE html>\n<html>", "is a web page or XML", "open it in a spreadsheet"),
        ("csv", b'<?xml version="1.0"?><Workbook>', "is a web page or XML", "open it in a spreadsheet"),
        ("tsv", WEB_PAGE, "is a web page or XML", "save it as .xlsx or CSV UTF-8"),
        ("jsonl", OLD_WORKBOOK, "is a workbook of Excel 97-2003", "save it as .xlsx"),
    ],
)  # fmt: skip
def test_what_only_claims_to_be_a_table(tmp_path: Path, ending: str, content: bytes, problem: str, hint: str) -> None:
    path = tmp_path / f"people.{ending}"
    path.write_bytes(content)

    with pytest.raises(AudienceProblem) as refused:
        open_source(path, number_column="number")

    assert refused.value.problem.startswith(problem)
    assert hint in refused.value.hint


def test_a_damaged_sheet_breaks_off(tmp_path: Path) -> None:
    whole = workbook_of(tmp_path, ["number"], [1], [2])
    path = tmp_path / "damaged.xlsx"
    with zipfile.ZipFile(whole) as source, zipfile.ZipFile(path, "w") as target:
        for entry in source.infolist():
            content = source.read(entry)
            target.writestr(entry, content[:-40] if "sheet1" in entry.filename else content)
    with pytest.raises(AudienceProblem, match="is not a workbook that can be read"):
        list(open_source(path, number_column="number"))


def test_a_cell_of_a_workbook_without_end_breaks_off(tmp_path: Path) -> None:
    reader = open_source(workbook_of(tmp_path, ["number"], ["1" * 10_001]), number_column="number")

    with pytest.raises(AudienceProblem, match="line 2: a cell is over"):
        list(reader)


def test_recipients_in_the_campaign_file() -> None:
    recipients = [{"number": ANNA, "First Name": " Anna "}, {"Number": "2", "name": "\ud83d"}]

    assert list(inline_rows(recipients)) == [
        AudienceRow(1, ANNA, {"number": ANNA, "first_name": "Anna"}),
        AudienceRow(2, "", {}, "has a broken character in name"),
    ]


def test_recipients_carry_only_the_fields_asked_for() -> None:
    assert list(inline_rows([{"number": "1", "a": "x", "b": "y"}], fields={"b"})) == [AudienceRow(1, "1", {"b": "y"})]
