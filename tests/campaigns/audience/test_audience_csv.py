"""Text tables as spreadsheets and people leave them in a folder."""

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from campaigns.audience import AudienceProblem, AudienceRow, RowReader, open_source, read_to_end

ANNA = "+393331234567"


@pytest.fixture
def opened(tmp_path: Path) -> "Opener":
    return Opener(tmp_path)


class Opener:
    """Writes a file and opens it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, content: str | bytes, name: str = "people.csv", number: str = "number") -> RowReader:
        path = self.folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return open_source(path, number_column=number)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_what_spreadsheets_export(opened: Opener, delimiter: str, encoding: str, end: str) -> None:
    lines = ["number,first name", f"{ANNA},Zoë", '"+39 333 7654321","Anna Søe"', ""]

    reader = opened(end.join(lines).replace(",", delimiter).encode(encoding))

    assert reader.encoding == encoding
    assert reader.columns == ("number", "first_name")
    assert list(reader) == [
        AudienceRow(2, ANNA, {"number": ANNA, "first_name": "Zoë"}),
        AudienceRow(3, "+39 333 7654321", {"number": "+39 333 7654321", "first_name": "Anna Søe"}),
    ]


def test_a_guessed_encoding_is_told(opened: Opener) -> None:
    # given a file whose first accent comes after two megabytes
    reader = opened(b"number,name\n" + b"+393331234567,Anna\n" * 120_000 + b"+393331234567,Zo\xeb\n")

    assert reader.encoding == "cp1252"
    assert "Windows-1252" in reader.warnings[0]


def test_utf8_is_believed_without_a_word(opened: Opener) -> None:
    assert opened("number,name\n1,Zoë\n").warnings == ()


def test_excel_names_its_delimiter(opened: Opener) -> None:
    reader = opened("sep=;\nnumber;a,b,c,d\n+39;x\n")

    assert reader.columns == ("number", "a_b_c_d")
    assert next(iter(reader)).line == 3


def test_lines_are_those_of_the_file(opened: Opener) -> None:
    # given blank lines, lines of empty cells, and a cell that spans two lines
    reader = opened('\nnumber,note\n\n1,"two\nlines"\n,\n   \n2,x\n')

    assert [(row.line, row.number) for row in reader] == [(4, "1"), (8, "2")]


def test_cells_are_trimmed_and_a_short_row_is_filled(opened: Opener) -> None:
    reader = opened("number , First-Name,city\n 1 , Anna \n")

    assert list(reader) == [AudienceRow(2, " 1 ", {"number": "1", "first_name": "Anna", "city": ""})]


def test_a_row_with_a_cell_too_many_is_invalid(opened: Opener) -> None:
    reader = opened("number,name\n1,Rossi,Anna\n2,Verdi,,\n")

    rows = list(reader)

    assert rows[0].problem == "has 3 cells where the header has 2"
    assert rows[1] == AudienceRow(3, "2", {"number": "2", "name": "Verdi"})


def test_a_tsv_keeps_its_commas(opened: Opener) -> None:
    assert opened("number\ta,b,c,d\n1\tx\n", "people.tsv").columns == ("number", "a_b_c_d")


def test_a_column_of_numbers_alone(opened: Opener) -> None:
    assert [row.number for row in opened(f"number\n{ANNA}\n")] == [ANNA]


def test_the_column_is_found_however_it_is_written(opened: Opener) -> None:
    assert [row.number for row in opened("name,Phone Number\nAnna,1\n", number="phone-number")] == ["1"]


def test_only_the_fields_asked_for_are_carried(tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_text("number,a,b\n1,x,y\n")

    reader = open_source(path, number_column="number", fields={"b", "c"})

    assert list(reader) == [AudienceRow(2, "1", {"b": "y"})]


def test_a_reader_reads_again(opened: Opener) -> None:
    reader = opened("number\n1\n")

    assert list(reader) == list(reader)


@pytest.mark.parametrize(
    ("content", "problem", "hint"),
    [
        (b"", "is empty", "header"),
        (b"\n\n", "is empty", "header"),
        (b"phone,name\n1,x\n", "there is no column number", "did you mean number: phone?"),
        (
            b"city,name\nRome,x\n",
            "there is no column number",
            "give the name of the column with the numbers as number:",
        ),
        (b"numer,name\n1,x\n", "there is no column number", "did you mean number: numer?"),
        (b"number,Name,name\n", "columns 2 (Name) and 3 (name) are both called name", "rename"),
        (b"number\n1\0\n", "NUL", "CSV UTF-8"),
        ("number\n1".encode("utf-16-le"), "NUL", "CSV UTF-8"),
        (b"PK\x03\x04rest", "is a workbook or a zip archive", "CSV UTF-8"),
        (b"\xd0\xcf\x11\xe0rest", "Excel 97-2003", "CSV UTF-8"),
        (b"%PDF-1.7", "PDF", "CSV UTF-8"),
        (b"number\n\x81\n", "neither UTF-8 nor Windows-1252", "CSV UTF-8"),
        (b"\xff\xfen\0u\0m", "begins like UTF-16 but is something else", "CSV UTF-8"),
        (b"number\n" + b"x" * 3_000_000, "line over a million bytes", "table"),
    ],
)
def test_tables_that_cannot_be_opened(opened: Opener, content: bytes, problem: str, hint: str) -> None:
    with pytest.raises(AudienceProblem) as caught:
        opened(content)

    assert problem in caught.value.problem
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ("1,ok\n2," + "x" * 10_001 + "\n", "line 3: a cell is over 10,000 characters"),
        ('1,"never closed\n' + "2,x\n" * 100, "line 2: cannot be split into cells"),
        ('1,"never closed\n' + "2,x\n" * 100_000, "line 2: a cell is over 10,000 characters"),
        ('1,x\n2,"a"b\n', "line 3: cannot be split into cells"),
    ],
)
def test_tables_that_break_off(opened: Opener, rows: str, problem: str) -> None:
    reader = opened("number,name\n" + rows)

    for read in (list[AudienceRow], read_to_end):
        with pytest.raises(AudienceProblem, match=problem):
            read(reader)


@pytest.mark.parametrize(
    ("content", "has_rows"),
    [
        ("number\n1\n", True),
        ("number\n\n \n", False),
        ('"number"\n', False),
        ('sep=,\n"number"\n', False),
        ('\n"number"\n"1"\n', True),
        (f'\nnumber,"{"x" * 10_001}"\n1,a\n', True),
        (f'sep=,\nnumber,"{"x" * 10_001}"\n"1",a\n', True),
        (f"number,{'x' * 10_001}\n1,a\n", True),
    ],
)
def test_a_table_is_read_to_its_end_without_making_every_row(opened: Opener, content: str, has_rows: bool) -> None:
    assert read_to_end(opened(content)) is has_rows


@pytest.mark.parametrize(
    ("name", "problem", "hint"),
    [
        ("folder.csv", "is a folder", "name the file in it"),
        ("absent.csv", "does not exist", "beside the campaign file"),
        ("people.xls", "is not a kind of table", ".xlsx"),
        ("people.pdf", "is not a kind of table", ".csv, .tsv, .jsonl or .xlsx"),
    ],
)
def test_what_is_no_table(tmp_path: Path, name: str, problem: str, hint: str) -> None:
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "people.xls").touch()
    (tmp_path / "people.pdf").touch()

    with pytest.raises(AudienceProblem) as caught:
        open_source(tmp_path / name, number_column="number")

    assert problem in caught.value.problem
    assert hint in caught.value.hint


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(), st.sampled_from([".csv", ".tsv", ".jsonl", ".xlsx"]), st.booleans())
def test_any_bytes_are_rows_or_an_audience_problem(
    opened: Opener, content: bytes, ending: str, has_header: bool
) -> None:
    header = b'{"number": 1}\n' if ending == ".jsonl" else b"number,name\n"
    with suppress(AudienceProblem):
        reader = opened(header * has_header + content, f"people{ending}")
        rows = list(reader)
        assert all(row.line >= 1 for row in rows)
        assert read_to_end(reader) is bool(rows)
