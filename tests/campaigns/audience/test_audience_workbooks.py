"""Workbooks: a text is what the sheet shows, and a workbook made to stop its reader is refused at once."""

import resource
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

import pytest

from campaigns.audience import AudienceProblem, AudienceRow, RowReader, open_source
from campaigns.checking import check_file
from campaigns.planning.planner import plan_recipients
from campaigns.problems import Problem

MAIN: Final = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
RELATIONS: Final = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE: Final = "http://schemas.openxmlformats.org/package/2006/relationships"
MIB: Final = 1 << 20


def cell(place: str, value: object, kind: str = "inlineStr", style: int = 0) -> str:
    if kind == "inlineStr":
        return f'<c r="{place}" t="inlineStr" s="{style}"><is><t xml:space="preserve">{escape(str(value))}</t></is></c>'
    return f'<c r="{place}" t="{kind}" s="{style}"><f>1</f><v>{value}</v></c>'


def row(line: int, *cells: str, more: str = "") -> str:
    return f'<row r="{line}"{more}>{"".join(cells)}</row>'


HEADER: Final = row(1, cell("A1", "phone"), cell("B1", "x"))


def book(
    folder: Path,
    *sheets: str,
    formats: tuple[str, ...] = (),
    states: tuple[str, ...] = (),
    texts: str = "",
    workbook: str = "",
    times: int = 1,
) -> Path:
    """A workbook of these rows; style 1 has the first of the formats.

    What is between two `|` is repeated `times` times.
    """
    parts = {
        "_rels/.rels": f'<Relationships xmlns="{PACKAGE}"><Relationship Id="rId1" Type="{RELATIONS}/officeDocument" '
        'Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{RELATIONS}">{workbook}<sheets>'
        + "".join(
            f'<sheet name="S{place}" sheetId="{place}" r:id="rId{place}" state="{state}"/>'
            for place, state in enumerate(states or ("visible",) * len(sheets), start=1)
        )
        + "</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{PACKAGE}">'
        + "".join(
            f'<Relationship Id="rId{place}" Type="{RELATIONS}/worksheet" Target="worksheets/sheet{place}.xml"/>'
            for place in range(1, len(sheets) + 1)
        )
        + f'<Relationship Id="s" Type="{RELATIONS}/styles" Target="/xl/styles.xml"/>'
        + f'<Relationship Id="t" Type="{RELATIONS}/sharedStrings" Target="sharedStrings.xml"/></Relationships>',
        "xl/styles.xml": f'<styleSheet xmlns="{MAIN}"><numFmts>'
        + "".join(
            f'<numFmt numFmtId="{164 + place}" formatCode="{escape(code, {chr(34): "&quot;"})}"/>'
            for place, code in enumerate(formats)
        )
        + '</numFmts><cellStyleXfs><xf numFmtId="9"/></cellStyleXfs><cellXfs><xf numFmtId="0"/>'
        + "".join(f'<xf numFmtId="{164 + place}"/>' for place in range(len(formats)))
        + "</cellXfs></styleSheet>",
        "xl/sharedStrings.xml": f'<sst xmlns="{MAIN}">{texts}</sst>',
    }
    for place, rows in enumerate(sheets, start=1):
        parts[f"xl/worksheets/sheet{place}.xml"] = (
            f'<worksheet xmlns="{MAIN}"><sheetData>{rows}</sheetData></worksheet>'
        )
    path = folder / "people.xlsx"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for name, content in parts.items():
            before, _, rest = content.partition("|")
            again, _, after = rest.partition("|")
            with archive.open(name, "w") as part:
                part.write(f'<?xml version="1.0"?>{before}'.encode())
                for _ in range(times):
                    part.write(again.encode())
                part.write(after.encode())
    return path


def opened(path: Path) -> RowReader:
    return open_source(path, number_column="phone")


def xs(path: Path) -> list[str]:
    return [found.fields["x"] for found in opened(path)]


def texts_of(path: Path, message: str) -> list[tuple[str, str]]:
    file = path.with_name("case.yaml")
    file.write_text(
        f'campaign: case\nmessage: "{message}"\naudience: {{file: {path.name}, number: phone}}\ndefault_region: IT\n'
    )
    plan = plan_recipients(check_file(file, timezone="Europe/Rome", region=None))
    return [(found.number, found.text or found.reason) for found in plan]


def test_xls_error(tmp_path: Path) -> None:
    path = book(tmp_path, HEADER + row(2, cell("A2", 3331234501, "n"), cell("B2", "#N/A", "e")))

    assert texts_of(path, "Hi {{ x | default('there') }}.") == [("+393331234501", "Hi there.")]


def test_xls_noise(tmp_path: Path) -> None:
    prices = ("67.22999999999999", "28.999999999999996")
    rows = [row(n, cell(f"A{n}", 3331234500 + n, "n"), cell(f"B{n}", price, "n")) for n, price in enumerate(prices, 2)]

    assert xs(book(tmp_path, HEADER + "".join(rows))) == ["67.23", "29"]
    styled = [found.replace('t="n" s="0"><f>1</f><v>2', 't="n" s="1"><f>1</f><v>2') for found in rows]
    assert xs(book(tmp_path, HEADER + "".join(styled), formats=("0.00",))) == ["67.23", "29.00"]


def test_xls_escape(tmp_path: Path) -> None:
    rows = (
        row(2, cell("A2", 3331234501, "n"), cell("B2", "Via Roma 1_x000D_\nMilano")),
        row(3, cell("A3", "3331234502_x000D_"), cell("B3", "_x005F_x000D_ _xD83D__xDE00_")),
        row(4, cell("A4", "3331234503"), cell("B4", "a_xD83D_b")),
        row(5, cell("A5", "3331234504"), cell("B5", "a_x0000_b")),
    )

    assert texts_of(book(tmp_path, HEADER + "".join(rows)), "At {{ x }}") == [
        ("+393331234501", "At Via Roma 1\nMilano"),
        ("+393331234502", "At _x000D_ \U0001f600"),
        ("", "row 4 of people.xlsx: has a broken character in x"),
        ("", "row 5 of people.xlsx: has a broken character in x"),
    ]


def test_xls_formats(tmp_path: Path) -> None:
    header = row(1, *map(cell, ("A1", "B1", "C1", "D1"), ("phone", "off", "code", "price")))
    cells = (cell("B2", 0.2, "n", 1), cell("C2", 427, "n", 2), cell("D2", 19.9, "n", 3))
    path = book(tmp_path, header + row(2, cell("A2", 3331234501, "n"), *cells), formats=("0%", "00000", "0.00"))

    text = "20% off with code 00427, now 19.90 EUR"
    assert texts_of(path, "{{ off }} off with code {{ code }}, now {{ price }} EUR") == [("+393331234501", text)]


@pytest.mark.parametrize(
    ("code", "value", "shown"),
    [
        ("General", "12.50", "12.5"),
        ("General", "393331234567", "393331234567"),
        ("General", "3.93331234567E11", "393331234567"),
        ("General", "3.93331E+11", "3.93331E+11"),
        ("0.00E+00", "393331000000", "3.93E+11"),
        ("0.00E+00", "1E+15", "1.00E+15"),
        ("0.00E+00", "-0.00012", "-1.20E-04"),
        ("0.0E-0", "99960", "1.0E5"),
        ('0.0E+00" m"', "0", "0.0E+00 m"),
        ("##0.0E+0", "12345", "12345"),
        ('General" kg"', "7", "7 kg"),
        ('"about "General;-General', "-7", "-7"),
        ('General" kg"', "-7.5", "-7.5 kg"),
        ("General%", "0.07", "7%"),
        ('0.0,"k"', "12345", "12.3k"),
        ('#,##0.00,,"M"', "1234567890", "1,234.57M"),
        ("0.0,", "1950", "2.0"),
        ("0.0.0", "12.5", "12.5"),
        ('0.0" "0', "12.5", "12.5"),
        ("0", "393331000000", "393331000000"),
        ("General", "1E+300", "1E+300"),
        ("General", "1E+999", ""),
        ("General", "nan", ""),
        ("General", "0.1", "0.1"),
        ("#,##0.00", "1234.5", "1,234.50"),
        ("#,##0.00", "0.5", "0.50"),
        ('#,##0.00\\ "€"', "1234.5", "1,234.50 €"),
        ("[$€-407] #,##0", "-1234.5", "-€ 1,235"),
        ('_("$"* #,##0.00_);_("$"* \\(#,##0.00\\);_("$"* "-"??_);_(@_)', "-3", "$(3.00)"),
        ('_("$"* #,##0.00_);_("$"* \\(#,##0.00\\);_("$"* "-"??_);_(@_)', "0", "$-"),
        ("0.##", "2.5", "2.5"),
        ("0.0%", "0.1234", "12.3%"),
        ("0.00", "-0.001", "0.00"),
        ("0.00", "2.675", "2.68"),
        ('0,"k"', "12345", "12k"),
        ("#", "0", ""),
        ("000-000-0000", "3331234567", "333-123-4567"),
        ('"yes";;"no"', "1", "yes"),
        ('"yes";;"no"', "0", "no"),
        ("# ?/?", "0.5", "0.5"),
        ("[>9]0.0;0", "8.5", "8.5"),
        ("@", "12.50", "12.5"),
        ("0" * 300, "7", "7"),
        ("0." + "0" * 200, "7", "7"),
        ("dd/mm/yyyy", "46357", "2026-12-01"),
        ("dd/mm/yyyy hh:mm", "46357.395833333336", "2026-12-01 09:30"),
        ("yyyy-mm-dd hh:mm", "46361.3958333", "2026-12-05 09:30"),
        ("yyyy-mm-dd hh:mm", "46361.3962", "2026-12-05 09:30"),
        ("yyyy-mm-dd h:mm:ss", "46357.395833333336", "2026-12-01 09:30:00"),
        ("yyyy-mm-dd h:mm:ss", "46361.3958333", "2026-12-05 09:30:00"),
        ("yyyy-mm-dd hh:mm", "46361.9999999", "2026-12-06"),
        ("h:mm AM/PM", "0.395833333333333", "09:30"),
        ("[h]:mm", "1.5", "36:00"),
        ("dd/mm/yyyy", "-5", ""),
        ("dd/mm/yyyy", "1e300", ""),
    ],
)
def test_a_number_is_what_the_sheet_shows(tmp_path: Path, code: str, value: str, shown: str) -> None:
    path = book(tmp_path, HEADER + row(2, cell("A2", "1"), cell("B2", value, "n", 1)), formats=(code,))

    assert xs(path) == [shown]


@pytest.mark.parametrize(
    ("code", "number"),
    [
        ("General", "3331234501"),
        ("#,##0", "3331234501"),
        ("0.00", "3331234501"),
        ('"+39"0', "+393331234501"),
        ("00000000000", "03331234501"),
        ("General", "3331000000"),
        ("0,", "3331234501"),
        ("0,,", "3331234501"),
        ("0.00E+00", "3331234501"),
        ('General" kg"', "3331234501"),
    ],
)
def test_a_phone_number_is_digits_under_any_format(tmp_path: Path, code: str, number: str) -> None:
    value = int(number.removeprefix("+39"))
    path = book(tmp_path, HEADER + row(2, cell("A2", value, "n", 1)), formats=(code,))

    assert [found.number for found in opened(path)] == [number]


def test_a_number_that_lost_its_digits_is_invalid(tmp_path: Path) -> None:
    rows = row(2, cell("A2", "393331000000", "n")) + row(3, cell("A3", "3.93331E+11", "n"))

    found = texts_of(book(tmp_path, HEADER + rows), "Hi")

    assert [reason.endswith("format the column as text") for _, reason in found] == [True, True]


def test_days_since_1904_and_dates_and_switches_as_texts(tmp_path: Path) -> None:
    rows = (
        row(2, cell("A2", "1"), cell("B2", "44895", "n", 1)),
        row(3, cell("A3", "2"), cell("B3", "2026-12-01T09:30:00", "d", 1)),
        row(4, cell("A4", "3"), cell("B4", "1", "b")),
    )
    path = book(tmp_path, HEADER + "".join(rows), formats=("yyyy-mm-dd",), workbook='<workbookPr date1904="1"/>')

    assert xs(path) == ["2026-12-01", "2026-12-01T09:30:00", "TRUE"]


def test_xls_note_beside(tmp_path: Path) -> None:
    rows = row(2, cell("A2", 3331234502, "n"), cell("B2", "Bea"), cell("D2", "called, ok")) + row(3, cell("D3", "?"))

    assert texts_of(book(tmp_path, HEADER + rows), "Hi {{ x }}.") == [("+393331234502", "Hi Bea.")]


def test_xls_offset(tmp_path: Path) -> None:
    rows = row(3, cell("C3", "phone"), cell("D3", "x")) + row(4, cell("C4", 3331234501, "n"), cell("D4", "Anna"))

    assert list(opened(book(tmp_path, rows))) == [
        AudienceRow(4, "3331234501", {"phone": "3331234501", "x": "Anna"}),
    ]


def test_xls_hidden_sheet(tmp_path: Path) -> None:
    old = HEADER + row(2, cell("A2", "3331234599"))
    people = HEADER + row(2, cell("A2", "3331234501"))
    reader = opened(book(tmp_path, old, people, people, states=("hidden", "visible", "veryHidden")))

    assert [found.number for found in reader] == ["3331234501"]
    assert reader.warnings == ("people.xlsx has 3 sheets: only the first visible one, S2, was read",)

    with pytest.raises(AudienceProblem, match="has no visible sheet"):
        opened(book(tmp_path, old, states=("veryHidden",)))


def test_hidden_and_filtered_rows_are_told(tmp_path: Path) -> None:
    rows = "".join(row(n, cell(f"A{n}", n), more=' hidden="1"' if n % 2 else "") for n in range(2, 8))
    book(tmp_path, HEADER + rows)
    file = tmp_path / "case.yaml"
    file.write_text("campaign: case\nmessage: Hi\naudience: {file: people.xlsx, number: phone}\n")
    checked: list[Problem] = []
    plan = plan_recipients(check_file(file, timezone="UTC", region=None, warnings=checked))
    told = "people.xlsx has 3 rows hidden or filtered (first: row 3); they are read like any other"

    assert [(warning.path, warning.problem) for warning in checked] == [("audience.file", told)]
    for _ in range(2):
        assert len(list(plan)) == 6
        assert plan.summary.warnings == (told,)


def test_hidden_columns_that_are_used_are_told(tmp_path: Path) -> None:
    cols = '<cols><col min="1" max="1" width="9"/><col min="2" max="16384" hidden="1"/></cols>'
    titles = row(1, *map(cell, ("A1", "B1", "C1"), ("phone", "x", "y")))
    path = book(tmp_path, titles + row(2, cell("A2", 3331234501, "n"), cell("B2", "Anna"), cell("C2", "z")))
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content.replace(b"<sheetData>", cols.encode() + b"<sheetData>"))
    told = "people.xlsx has 1 hidden column that the campaign uses (first: x); they are read like any other"

    reader = open_source(path, number_column="phone", fields={"x"})

    assert [found.fields for found in reader] == [{"x": "Anna"}]
    assert reader.warnings == (told,)
    other = open_source(path, number_column="phone", fields=set())
    assert (len(list(other)), other.warnings) == (1, ())


def test_texts_that_cells_share(tmp_path: Path) -> None:
    texts = "<si><t>Zoë</t></si><si><r><t>An</t></r><r><t>na</t></r><rPh><t>aid</t></rPh></si><si><t/></si>"
    rows = [row(n, cell(f"A{n}", n), cell(f"B{n}", n - 2, "s")) for n in (2, 3, 4)]

    assert xs(book(tmp_path, HEADER + "".join(rows), texts=texts)) == ["Zoë", "Anna", ""]
    for index in (-1, 3, "x"):
        with pytest.raises(AudienceProblem, match="is not a workbook that can be read"):
            xs(book(tmp_path, HEADER + row(2, cell("A2", "1"), cell("B2", index, "s")), texts=texts))


def test_an_endless_cell_that_nobody_uses_is_of_no_consequence(tmp_path: Path) -> None:
    path = book(tmp_path, HEADER + row(2, cell("A2", "1"), cell("B2", "x" * 10_001)))

    assert [found.number for found in open_source(path, number_column="phone", fields=())] == ["1"]
    with pytest.raises(AudienceProblem, match=r"line 2: a cell is over 10,000 characters long \(shorten it\)"):
        list(opened(path))


@pytest.fixture
def in_no_time() -> Iterator[None]:
    """The test takes at most 20 s of CPU time, and at most 300 MB more memory than before."""
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    yield
    assert time.process_time() - began < 20
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300 * 1024


@pytest.mark.long
@pytest.mark.usefixtures("in_no_time")
@pytest.mark.parametrize(
    ("rows", "times", "problem"),
    [
        ('<row r="999999999999"/>', 1, "a row beyond 1,048,576"),
        ('<row r="0"/>', 1, "a row numbered below 1"),
        ('<row r="-5"/>', 1, "a row numbered below 1"),
        (f"|{'<x/>' * 10_000}|", 1_000, "more tags beside its cells"),
        (f"</sheetData>|{'<x/>' * 10_000}|<sheetData>", 1_000, "more tags beside its cells"),
        (f"|<row>{'<c/>' * 10_000}</row>|", 1_000, "takes over . seconds to read, too long for its size"),
        (f"|{'<row/>' * 10_000}|", 105, "a row beyond 1,048,576"),
        (row(2, cell("ZZZZ2", "x")), 1, "over 16,384 columns"),
        (row(2, cell("XFE2", "x")), 1, "over 16,384 columns"),
        (row(2, "<c/>" * 16_385), 1, "over 16,384 columns"),
        (f'<row r="2" x="|{">" * MIB}|"/>', 16, "a tag over a million bytes"),
        (f"<!--|{'<a>' * MIB}|-->", 3, "a tag over a million bytes"),
        ("<a>" * 200, 1, "nested deeper"),
        ("".join(f"<a{number}/>" for number in range(1_002)), 1, "more kinds of tags"),
        ("".join(f"<a b{number}=''/>" for number in range(1_002)), 1, "more kinds of tags"),
        (f"|{'a' * MIB}|", 192, "unpacks to over 200 MB"),
        (row(2, f'<c r="A2"><v>|{"9" * MIB}|</v></c>'), 8, ""),
    ],
    ids=lambda value: str(value)[:20],
)
def test_h4_a_sheet_that_was_made_to_stop_its_reader(tmp_path: Path, rows: str, times: int, problem: str) -> None:
    path = book(tmp_path, HEADER + rows, times=times)
    if not problem:
        assert len(list(opened(path))) == 1
        return
    with pytest.raises(AudienceProblem, match=problem):
        list(opened(path))


@pytest.mark.long
@pytest.mark.usefixtures("in_no_time")
@pytest.mark.parametrize(
    ("texts", "times", "problem"),
    [
        (f"|<si><t>{'a' * MIB}</t></si>|", 192, "unpacks to over 200 MB"),
        (f"|<si><t>{'a' * 10_000}</t></si>|", 10_100, "contains more text than can be read"),
        (f"|<si><t>{'a' * MIB}</t></si>|", 64, ""),
        (f"|{'<si><t/></si>' * 10_000}|", 30, ""),
        (f"<si>|{'<r><t/></r>' * 10_000}|</si>", 300, "more tags beside its cells"),
        (f"|<si>{'<r><rPr><b/><sz/><color/></rPr><t/></r>' * 3}</si>|", 20_000, ""),  # texts in several colours
    ],
    ids=lambda value: str(value)[:20],
)
def test_h4_texts_without_end(tmp_path: Path, texts: str, times: int, problem: str) -> None:
    rows = HEADER + row(2, cell("A2", "1"), cell("B2", 0, "s"))
    path = book(tmp_path, rows, texts=texts, times=times)
    if not problem:
        assert [found.number for found in open_source(path, number_column="phone", fields=())] == ["1"]
        return
    with pytest.raises(AudienceProblem, match=problem):
        opened(path)


def test_h4_a_directory_of_a_million_parts_and_entities(tmp_path: Path) -> None:
    path = tmp_path / "people.xlsx"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(20_000):
            archive.writestr(f"{number:020}", b"")
    with pytest.raises(AudienceProblem, match="too many parts"):
        opened(path)

    path = book(tmp_path, HEADER)
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("xl/workbook.xml", '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>')
    with pytest.raises(AudienceProblem, match="declares a document type"):
        opened(path)
