"""Tables that people left in a folder: what is read from them, and what a row of them says."""

from pathlib import Path

import pytest

from campaigns.audience import AudienceProblem, open_source
from campaigns.checking import check_file
from campaigns.planning.planned import PlannedRecipient
from campaigns.planning.planner import plan_recipients
from campaigns.problems import CampaignFileError

HI = "message: \"Hi {{ first_name | default('there') }}.\"\n"


def campaign(
    folder: Path, table: str | bytes, *, head: str = HI, name: str = "people.csv", number: str = "phone"
) -> Path:
    content = table if isinstance(table, bytes) else table.encode()
    (folder / name).write_bytes(content)
    path = folder / "case.yaml"
    path.write_text(f'campaign: case\n{head}audience: {{file: {name}, number: "{number}"}}\ndefault_region: IT\n')
    return path


def planned(path: Path) -> list[PlannedRecipient]:
    return list(plan_recipients(check_file(path, timezone="Europe/Rome", region=None)))


def problems_of(path: Path) -> str:
    with pytest.raises(CampaignFileError) as caught:
        check_file(path, timezone="Europe/Rome", region=None)
    return str(caught.value)


ANNA = ("+393331234501", "Hi Anna.")


@pytest.mark.parametrize(
    ("table", "number", "texts"),
    [
        pytest.param("phone,first_name,,\n3331234501,Anna,,\n", "phone", [ANNA], id="csv-empty-columns"),
        pytest.param(",,phone,first_name\n,,3331234501,Anna\n", "phone", [ANNA], id="csv-lead-columns"),
        pytest.param(
            "phone,first_name,Total (EUR),Total EUR\n3331234501,Anna,1,2\n", "phone", [ANNA], id="csv-twin-columns"
        ),
        pytest.param('"Cell\nphone";"First\nname"\n3331234501;Anna\n', "Cell phone", [ANNA], id="csv-header-newline"),
        pytest.param(
            "Phone;First name;Wants (news, offers, events)\n3331234501;Anna;news\n",
            "phone",
            [ANNA],
            id="csv-header-commas",
        ),
        pytest.param(
            "phone;first_name;x\n" + "3331234501;Anna;a,b,c,d\n" * 1, "phone", [ANNA], id="commas in the cells alone"
        ),
        pytest.param(
            'phone, first_name\n3331234501, "Rossi, Anna"\n',
            "phone",
            [("+393331234501", "Hi Rossi, Anna.")],
            id="csv-space-quote",
        ),
        pytest.param(
            'phone, first_name\n3331234501, "Nina" Rossi\n',
            "phone",
            [("+393331234501", 'Hi "Nina" Rossi.')],
            id="marks that are part of the cell",
        ),
        pytest.param(
            "phone,first_name,note\n3331234501,Anna," + "x" * 10_001 + "\n", "phone", [ANNA], id="csv-long-note"
        ),
        pytest.param('"sep=;"\nphone;first_name\n3331234501;Anna\n', "phone", [ANNA], id="csv-sep-quoted"),
        pytest.param("sep=;\nphone;first_name\n3331234501;Anna\n", "phone", [ANNA], id="sep without quotes"),
        pytest.param(
            "phone;first_name;x\n3331234501;Anna;1\n;;\n ; ; \n\u00a0 ;;\n", "phone", [ANNA], id="csv-blank-rows"
        ),
        pytest.param(
            "phone;first_name;\n3331234501;Anna;\n;;called, ok\n", "phone", [ANNA], id="a remark beside the table"
        ),
    ],
)
def test_tables_as_programs_write_them(tmp_path: Path, table: str, number: str, texts: list[tuple[str, str]]) -> None:
    assert [(row.number, row.text) for row in planned(campaign(tmp_path, table, number=number))] == texts


def test_csv_twin_columns_that_are_used_are_both_named(tmp_path: Path) -> None:
    table = "phone,first_name,Total (EUR),Total EUR\n3331234501,Anna,1,2\n"

    said = problems_of(campaign(tmp_path, table, head='message: "{{ total_eur | default(1) }}"\n'))

    assert "columns 3 (Total (EUR)) and 4 (Total EUR) are both called total_eur (rename one of them)" in said


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        pytest.param(
            'phone,first_name\n3331234501,"Anna ""Nina"" Rossi"\n3331234502,"Bea "Bibi" Bianchi"\n',
            "line 3: cannot be split into cells",
            id="csv-quotes",
        ),
        pytest.param(
            "phone,first_name\n" + "3331234501,Anna\n" * 5 + "3331234502," + "x" * 10_001 + "\n",
            "line 7: a cell is over 10,000 characters long",
            id="a long cell of a column that is used",
        ),
        pytest.param(
            'phone,first_name,note\n1,Anna,"never closed\n' + "2,x,y\n" * 3000 + '3,Bea,closed"\n',
            "line 2: a cell is over 10,000 characters long",
            id="a cell of an unused column that has swallowed rows",
        ),
    ],
)
def test_check_reads_as_much_as_run(tmp_path: Path, table: str, problem: str) -> None:
    assert f"case.yaml:3:18: audience.file: {problem}" in problems_of(campaign(tmp_path, table))


def test_exclude_unread(tmp_path: Path) -> None:
    path = campaign(tmp_path, "phone,first_name\n3331234501,Anna\n")
    path.write_text(path.read_text() + "exclude: {file: stop.csv}\n")
    (tmp_path / "stop.csv").write_text("number\n3.93331E+11\n")
    definition_of = f"{path}:5:17: exclude.file: stop.csv: none of its rows contains a phone number"

    assert definition_of in problems_of(path)

    # when it is damaged after it was checked
    (tmp_path / "stop.csv").write_text("number\n")
    plan = plan_recipients(check_file(path, timezone="Europe/Rome", region=None))
    assert [row.text for row in plan] == ["Hi Anna."]
    (tmp_path / "stop.csv").write_text("number\nx\ny\n")
    with pytest.raises(AudienceProblem, match=r"stop\.csv: none of its rows contains a phone number"):
        list(plan)


@pytest.mark.parametrize(
    ("table", "hint"),
    [
        ("+12025550123,Anna Rossi,diagnosis flu\n+12025550124,Bea,x\n", "so it is not a header"),
        (",Umberto,diagnosis flu\n+12025550124,Bea,x\n", "give the name of the column with the numbers"),
        ("Umberto\n", "give the name of the column with the numbers"),
    ],
)
def test_no_cell_of_a_first_line_is_repeated(tmp_path: Path, table: str, hint: str) -> None:
    said = problems_of(campaign(tmp_path, table, number="number"))

    assert hint in said
    assert not any(word in said.casefold() for word in ("202", "rossi", "flu", "umberto"))


def test_a_header_of_131072_characters_is_a_problem_with_its_place(tmp_path: Path) -> None:
    assert "line 1: a cell is over 10,000 characters" in problems_of(
        campaign(tmp_path, "x" * 131_073 + ",phone\n1,2\n")
    )


def test_a_header_of_many_columns_is_read_in_no_time(tmp_path: Path) -> None:
    path = tmp_path / "wide.csv"
    path.write_text(",".join(["phone", *map(str, range(16_383))]) + "\n1\n")
    assert len(list(open_source(path, number_column="phone", fields=()))) == 1

    path.write_text(",".join(["phone", *map(str, range(16_384))]) + "\n1\n")
    with pytest.raises(AudienceProblem, match="over 16,384 columns"):
        open_source(path, number_column="phone", fields=())


def test_a_row_without_end_is_refused_before_it_is_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "endless.csv"
    path.write_bytes(b'phone,x\n1,"' + b'\n","' * 6_000_000)

    with pytest.raises(AudienceProblem, match="line 2: a cell is over"):
        list(open_source(path, number_column="phone", fields=()))


def test_json_members_that_nobody_uses_spoil_nothing(tmp_path: Path) -> None:
    table = (
        '{"phone": "3331234501", "first_name": "Anna", "tags": ["a"], "\\ud800": 1, "X": 1, "x": 2}\n'
        '{"phone": null, "first_name": " "}\n{}\n'
    )

    assert [(row.number, row.text) for row in planned(campaign(tmp_path, table, name="people.jsonl"))] == [ANNA]
