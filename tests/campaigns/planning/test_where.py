"""Who is in the audience by `where`, and what becomes of the rows that it leaves out."""

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from textwrap import wrap

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from campaigns.audience import AudienceProblem
from campaigns.checking import check_file
from campaigns.definition import Definition
from campaigns.definition.reading import load_definition
from campaigns.lifecycle import RecipientState
from campaigns.message.conditions import compile_condition
from campaigns.message.filters import RenderError
from campaigns.message.refusals import TemplateProblem
from campaigns.planning.figures import LeftOut
from campaigns.planning.planned import PlannedRecipient
from campaigns.planning.planner import plan_recipients
from campaigns.planning.reminders import plan_reminders
from campaigns.planning.replanning import EarlierRow, compare_reminders
from campaigns.problems import CampaignFileError, Problem

ANNA, BEA, CARLO, DORA = "+393331234567", "+393337654321", "+393330000001", "+393330000002"
NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)
S = RecipientState

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(audience: str, more: str = "", **tables: str) -> Path:
        for name, content in tables.items():
            (tmp_path / f"{name}.csv").write_text(content, encoding="utf-8")
        path = tmp_path / "campaign.yaml"
        path.write_text(
            f"campaign: spring\nmessage: Hi {{{{ name | default('you') }}}}\ndefault_region: IT\n{more}{audience}\n",
            encoding="utf-8",
        )
        return path

    return written


def checked(path: Path) -> Definition:
    return check_file(path, timezone="UTC", region=None, now=NOW)


def problems(path: Path) -> list[tuple[int, int, str]]:
    with pytest.raises(CampaignFileError) as caught:
        checked(path)
    return [(each.line, each.column, f"{each.path} {each.problem} ({each.hint})") for each in caught.value.problems]


RULE = 'country == "IT" and points | int > 100'
PEOPLE = f"""number,name,country,points
{ANNA},Anna,IT,150
{BEA},Bea,FR,150
{CARLO},Carlo,IT,many
,nobody,FR,1
{BEA},Bea again,IT,101
{ANNA},Anna again,IT,200
{DORA},Dora,,
"""


def test_a_row_is_left_out_by_the_rule_and_counts_for_nothing(write: Write) -> None:
    """Bea is in it by a later row of hers: in a table of orders everybody has several."""
    plan = plan_recipients(checked(write(f"audience: {{file: people.csv, where: '{RULE}'}}", people=PEOPLE)))
    rows = list(plan)

    at, why = "people.csv", f"left out by `where`: {RULE}"
    failed = "row 4 of people.csv: `where` cannot be computed: 'points' is not a number"
    assert rows == [
        PlannedRecipient(ANNA, 0, at, 2, S.PENDING, "", "Hi Anna", 1),
        PlannedRecipient(BEA, 2, at, 3, S.EXCLUDED, why),
        PlannedRecipient(CARLO, 3, at, 4, S.INVALID, failed),
        PlannedRecipient("", 4, at, 5, S.EXCLUDED, why),
        PlannedRecipient(BEA, 0, at, 6, S.PENDING, "", "Hi Bea again", 1),
        PlannedRecipient(ANNA, 6, at, 7, S.DUPLICATE, "same number as row 2 of people.csv"),
        PlannedRecipient(DORA, 7, at, 8, S.EXCLUDED, why),
    ]
    assert plan.summary.left_out == (LeftOut(at, RULE, 3),)


def test_each_source_has_its_own_rule(write: Write) -> None:
    recipients = f'[{{number: "{CARLO}", vip: "yes"}}, {{number: "{DORA}", vip: "no"}}]'
    audience = f"""audience:
  - {{file: people.csv, where: country == "FR"}}
  - {{file: people.csv, where: country == "IT"}}
  - {{recipients: {recipients}, where: vip == "yes"}}"""
    people = f"number,name,country\n{ANNA},Anna,IT\n{BEA},Bea,FR\n"
    plan = plan_recipients(checked(write(audience, people=people)))

    assert [(row.number, row.line) for row in plan if row.state is S.PENDING] == [(BEA, 3), (ANNA, 2), (CARLO, 1)]
    assert [(each.source, each.rows) for each in plan.summary.left_out] == [
        ("people.csv", 1),
        ("people.csv", 1),
        ("recipients", 1),
    ]


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ('contry == "IT"', "uses contry, which 'people.csv' does not have (did you mean country?)"),
        ('name | default("") == contry', "uses contry, which 'people.csv' does not have (did you mean country?)"),
        ('country = "IT"', "contains an unexpected = (compare with two signs: ==)"),
        ('country == "IT" AND points > 1', "contains an unexpected AND (write and in small letters)"),
        ("country", 'asks whether country is true, but every cell is a text (compare it: country == "yes", or '),
        ("country == true", 'compares with true, but every cell is a text (write it in quotes: == "true")'),
        ('country in ["IT"]', "compares with a list, which is not understood (write country == "),
        ('"country" == "IT"', "uses no column, so it is the same for every row (write columns without quotes"),
        ("points | intt > 1", "there is no filter intt (did you mean int?)"),
        ("country.upper() == 1", "functions cannot be called"),
        ("country == ", "ends too early (write it like this: country == "),
        ('(country == "IT"', "ends too early (write it like this: country == "),
        ('country == "IT" }}', "is written without {{ }} (write it like this: country == "),
        ("{% for x in y %}", "contains {%, but a condition is a comparison (write it like this: country == "),
        ("points | int", "is not a comparison (write it like this: country == "),
        (
            'country in "IT, FR"',
            'looks for the cell in a text, where a part of a word is found, too (write country == "IT" or ',
        ),
        (
            'name in "Ann, Bob, Cleo"',
            'looks for the cell in a text, where a part of a word is found, too (write name == "Ann" or name == "Bob")',
        ),
        ('not (points > 1 and country in "IT" | upper)', "looks for the cell in a text, "),
        (
            'country not in "IT"',
            'looks for the cell in a text, where a part of a word is found, too (write country != "IT" and ',
        ),
        ("(" * 900, "is too complex to be understood"),
        ("country == 1" + " " * 1_000 + "or country == 2", "is over 1,000 characters long"),
    ],
)
def test_a_rule_that_cannot_be_meant_is_a_mistake_with_its_place(write: Write, rule: str, said: str) -> None:
    found = problems(write(f"audience:\n  file: people.csv\n  where: '{rule}'", people=PEOPLE))

    assert [(line, column) for line, column, _ in found] == [(6, 10)]
    assert f"audience.where {said}" in found[0][2]


def test_a_rule_over_several_lines_has_its_mistake_in_the_right_one(write: Write) -> None:
    audience = """audience:
  - file: people.csv
    where: >
      country == "contry" and
      contry == "IT" """

    assert [each[:2] for each in problems(write(audience, people=PEOPLE))] == [(8, 7)]


def test_where_says_which_recipients_and_lists_it_is_not_for(write: Write) -> None:
    inline = write(f'audience: {{recipients: [{{number: "{ANNA}"}}], where: vip == "yes"}}')
    assert "audience.where uses vip, which no recipient has" in problems(inline)[0][2]

    path = write('audience: {contact_list: 12, where: vip == "yes"}', "encoding: gsm\nmobile_only: true\n")
    path.write_text(path.read_text().replace("Hi {{ name | default('you') }}", "Hi"))
    assert [found[2].partition(":")[0] for found in problems(path)] == [
        "encoding cannot be used with a contact list",
        "mobile_only cannot be used with a contact list",
        "audience.where cannot be used with a contact list",
    ]

    (found,) = problems(write("exclude: {file: people.csv, where: vip}\naudience: {file: people.csv}", people=PEOPLE))
    assert "exclude.where is not a known key" in found[2]


@pytest.mark.parametrize("empty", ["", '""', "null"])
def test_an_empty_rule_is_a_mistake_and_not_everybody(write: Write, empty: str) -> None:
    (found,) = problems(write(f"audience:\n  file: people.csv\n  where: {empty}", people=PEOPLE))

    assert found[2] == "audience.where is empty (write a text, or remove the key)"


@pytest.mark.parametrize(
    ("rule", "shown"),
    [
        ("number == '+393331234567' or number == '+39 333 123-4567'", "number == '+…' or number == '+…'"),
        ("number == '3331234567'", "number == '…'"),
        (
            "amount | int < 100000000 and day > '2026-12-01 10:00'",
            "amount | int < 100000000 and day > '2026-12-01 10:00'",
        ),
    ],
)
def test_a_rule_is_shown_as_it_is_written_but_for_phone_numbers(rule: str, shown: str) -> None:
    assert compile_condition(rule).rule == shown


def test_a_table_that_lost_the_column_of_a_rule_cannot_be_planned(write: Write) -> None:
    """Each run of a campaign that repeats reads the tables as they are then: a rule that is true of nothing by
    accident, or of everybody, is worse than none."""
    definition = checked(write("audience: {file: people.csv, where: country != 'IT'}", people=PEOPLE))
    write("", people=f"number,land\n{ANNA},IT\n")

    with pytest.raises(AudienceProblem, match=r"people\.csv: there is no column country, which `where` uses"):
        list(plan_recipients(definition))


def test_the_hash_of_a_file_without_a_rule_is_what_it_was(write: Write) -> None:
    plain = load_definition(write("audience: {file: people.csv}"), timezone="UTC", region=None)
    ruled = load_definition(write("audience: {file: people.csv, where: a == '1'}"), timezone="UTC", region=None)

    in_groups = " ".join(wrap(plain.content_hash, 8))
    assert in_groups == "bdb0972c 33601ebd 49ce39fa 3b194ff2 eb484b4f 8e395ace bcdb9488 c7c54034"
    assert ruled.content_hash != plain.content_hash
    assert Definition.model_validate_json(ruled.model_dump_json()).content_hash == ruled.content_hash


@pytest.mark.parametrize(
    ("where", "says"),
    [
        ("country == 'it'", "compares country with 'it', which nobody in people.csv has (there is 'IT', 'FR')"),
        ("not (country != 'It')", "compares country with 'It', which nobody in people.csv has (there is 'IT', 'FR')"),
        ("points == '150.0' or name == 'x'", "compares name with 'x', which nobody in people.csv has"),  # no names
        ("points == '150.0'", "compares points with '150.0', which nobody in people.csv has (there is '150')"),
        (f"number == '{ANNA[:-1]}'", None),  # it could be somebody's number
        ("country == 'IT' or points == ''", None),
        ("points | int(0) == 7", None),
    ],
)
def test_a_value_that_no_row_has_is_warned_of(write: Write, where: str, says: str | None) -> None:
    path, warnings = write(f'audience: {{file: people.csv, where: "{where}"}}', people=PEOPLE), list[Problem]()
    check_file(path, timezone="UTC", region=None, now=NOW, warnings=warnings)
    plan = plan_recipients(checked(path))
    list(plan)

    told = [warning.problem for warning in warnings]
    assert told[:1] == ([says] if says else [])
    assert list(plan.summary.warnings) == [f"`where` {each}" for each in told]


NUMBERS = [ANNA, BEA, CARLO, DORA, "333 1234567", "1", ""]
rows_of_a_table = st.lists(
    st.tuples(st.sampled_from(NUMBERS), st.sampled_from(["IT", "FR", ""]), st.sampled_from(["5", "200", "x", ""])),
    max_size=12,
)
HOLDS: dict[str, Callable[[str, str], bool]] = {
    'country == "IT"': lambda country, _points: country == "IT",
    'country != "IT"': lambda country, _points: country != "IT",
    'points | int(0) > 100 or country == "FR" or country == "DE"': lambda country, points: (
        points == "200" or country == "FR"
    ),
}


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows_of_a_table, st.sampled_from(list(HOLDS)))
def test_it_plans_what_the_table_without_those_rows_would(
    write: Write, table: list[tuple[str, str, str]], rule: str
) -> None:
    """Whatever the rows: with `where`, as if they had been deleted in the spreadsheet."""
    holds = HOLDS[rule]
    table = [row for row in table if any(row)]
    split = "variants: [{name: a, share: 50, message: A}, {name: b, share: 50, message: B}]\nholdout: 10"

    def planned(audience: str, rows: list[tuple[str, str, str]]) -> list[tuple[object, ...]]:
        cells = "".join(f'"{number}",{country},{points}\n' for number, country, points in rows)
        path = write(audience, people=f"number,country,points\n{cells}")
        path.write_text(path.read_text().replace("message: Hi {{ name | default('you') }}", split))
        found = list(plan_recipients(load_definition(path, timezone="UTC", region=None)))
        assert len({(row.number, row.occurrence) for row in found}) == len(found)
        shown = [(row.number, row.state, row.text, row.variant, not row.occurrence) for row in found]
        return [row for row in shown if row[1] is not S.EXCLUDED]

    ruled = planned(f"audience: {{file: people.csv, where: '{rule}'}}", table)
    assert ruled == planned("audience: {file: people.csv}", [row for row in table if holds(*row[1:])])


@given(
    st.one_of(st.text(), st.text(alphabet="{}%#|()[]'\"ab.~+-_=<>!0 \n", max_size=60)),
    st.dictionaries(st.sampled_from("ab"), st.text(max_size=20)),
)
def test_any_text_is_a_condition_or_a_mistake_and_fails_for_one_row_alone(source: str, row: dict[str, str]) -> None:
    with suppress(TemplateProblem, RenderError):
        condition = compile_condition(source)

        assert condition.fields
        assert condition.holds(row) in (True, False)


@pytest.mark.parametrize(
    ("rule", "row", "holds"),
    [
        ("points > 9", {"points": "10"}, True),
        ("9 < points | int < 11", {"points": "10"}, True),
        ("points | default(0) | int >= 0", {}, True),
        ("country == ''", {"country": "  "}, True),
        ("country != 'IT'", {}, True),
        ("not (country == 'IT' or country == 'FR')", {"country": "DE"}, True),
        ("'Rossi' in name", {"name": "Anna Rossi"}, True),
        ("'Rossi' not in name", {}, True),
        ("name in email", {"email": "anna@example.com"}, False),
        ("Country | upper | trim == 'IT'", {"country": "it"}, True),
        ("postcode[:2] == '10'", {"postcode": "10115"}, True),
        ("day | date('%Y-%m') == '2026-12'", {"day": "2026-12-05"}, True),
        ("seen | date('%Y-%m-%d') < '2026-12-01'", {"seen": "2026-11-30 10:00"}, True),
    ],
)
def test_what_a_condition_says_of_a_row(rule: str, row: dict[str, str], holds: bool) -> None:
    assert compile_condition(rule).holds(row) is holds


@pytest.mark.parametrize(
    ("rule", "row", "why"),
    [
        ("points > 9", {"points": "many"}, "'points' is not a number"),
        ("points | int > 9", {}, "'points' is not a number"),
        ("points < limit", {"points": "1", "limit": "2"}, "it compares two texts, and as text 9 is more than 10; "),
        ("day | date('%Y') == '2026'", {"day": "soon"}, "'day' is not a date that can be read"),
        ("10 / points > 1", {"points": "0"}, "it adds to a text"),
        ("10 / (points | int) > 1", {"points": "0"}, "it divides by zero"),
    ],
)
def test_a_condition_that_cannot_be_computed_says_why_and_shows_no_cell(
    rule: str, row: dict[str, str], why: str
) -> None:
    with pytest.raises(RenderError) as caught:
        compile_condition(rule).holds(row)

    assert str(caught.value).startswith(f"`where` cannot be computed: {why}")


REMIND = "schedule: {remind: {column: at, before: [2h], key: id}}\n"


def reminders(path: Path) -> list[PlannedRecipient]:
    return list(plan_reminders(checked(path), NOW))


def test_an_appointment_is_excluded_if_none_of_its_rows_is_in_the_audience(write: Write) -> None:
    audience = REMIND + "audience: {file: visits.csv, where: room != 'closed'}"
    visits = f"""number,at,id,room
{ANNA},2026-12-02 10:00,1,closed
{ANNA},2026-12-02 11:00,1,blue
{BEA},2026-12-02 10:00,2,closed
{BEA},2026-12-02 11:00,2,closed
{ANNA},2026-12-02 10:00,3,red
1,2026-12-02 10:00,4,closed
"""
    found = [(row.line, row.state, row.slot) for row in reminders(write(audience, visits=visits))]

    assert found == [
        (2, S.EXCLUDED, "1|left_out|1"),
        (3, S.PENDING, "1|2h before|2026-12-02T11:00:00Z"),
        (5, S.EXCLUDED, "2|left_out|1"),
        (6, S.PENDING, "3|2h before|2026-12-02T10:00:00Z"),
        (7, S.EXCLUDED, "4|left_out|1"),
        (4, S.EXCLUDED, "2|excluded|"),
    ]


def test_a_row_that_is_left_out_of_a_later_table_withdraws_its_reminders(write: Write) -> None:
    audience = REMIND + "audience: {file: visits.csv, where: room != 'closed'}"
    head = "number,at,id,room\n"
    before = reminders(write(audience, visits=f"{head}{ANNA},2026-12-02 10:00,1,blue\n{BEA},2026-12-02 10:00,2,blue\n"))
    known = [
        EarlierRow(
            id, 1, 1, row.number, row.slot, 0, row.state, False, True, 0, row.text, "",
            row.departure and row.departure.at, None,
        )
        for id, row in enumerate(before)
    ]  # fmt: skip
    rows = f"{head}{ANNA},2026-12-02 10:00,1,closed\n{BEA},2026-12-02 09:00,2,closed\n{BEA},2026-12-02 10:00,2,blue\n"
    later = reminders(write(audience, visits=rows))
    zone = checked(write(audience)).schedule.zone

    changes = compare_reminders(later, known, zone=zone, now=NOW)

    withdrawn = {reason: [row.number for row in rows] for reason, rows in changes.withdrawn.items()}
    assert withdrawn == {"left out by `where`: room != 'closed'": [ANNA]}
    assert [(row.number, row.state) for row in changes.new] == [(BEA, S.EXCLUDED)]
