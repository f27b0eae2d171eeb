"""Numbers in tables that people left in a folder: where a row is sent, or why it is not."""

from datetime import UTC, datetime
from pathlib import Path

import phonenumbers
import pytest

from campaigns.definition import Definition
from campaigns.definition.reading import load_definition
from campaigns.lifecycle import RecipientState
from campaigns.planning.planner import Plan, plan_recipients
from campaigns.planning.reminders import plan_reminders

LOST = "Excel turned it into 3.93… and digits are lost: format the column as text"


def campaign(folder: Path, table: str, *, region: str = "", name: str = "people.csv", more: str = "") -> Definition:
    (folder / name).write_text(table, encoding="utf-8")
    path = folder / "case.yaml"
    region = f"default_region: {region}\n" if region else ""
    message = "message: \"Hi {{ first_name | default('there') }}.\"\n"
    path.write_text(f"campaign: case\n{message}audience: {{file: {name}, number: phone}}\n{region}{more}")
    return load_definition(path, timezone="Europe/Rome", region=None)


def planned(plan: Plan) -> list[str]:
    """The number of each row, or its reason."""
    return [row.reason.partition(": ")[2] or row.number for row in plan]


@pytest.mark.parametrize(
    ("region", "rows", "expected"),
    [
        pytest.param(
            "AU",
            ["0011 95 9 212 3456", "0011 354 611 1234", "0011 44 7400 123456"],
            ["+9592123456", "+3546111234", "+447400123456"],
            id="num-idd",
        ),
        pytest.param(
            "IT",
            ["3331234567.00", "333 1234567 8", "333-1234568/8", "+39 899 123456", "+1 900 555 0101", "06 12345678"],
            [
                "+393331234567",
                "takes no texts: voicemail, or a digit too many",
                "contains more than one number",
                "takes no texts: premium-rate number",
                "takes no texts: premium-rate number",
                "+390612345678",
            ],
            id="num-types",
        ),
        pytest.param(
            "AU",
            ["1300 123 456", "163 1234", "0412 345 678"],
            ["takes no texts: shared-cost number", "takes no texts: pager", "+61412345678"],
            id="other kinds",
        ),
        pytest.param(
            "IT",
            ["+447012345678", "199 123456", "+39800123456", "+80012345678", "+1 800 555 1212"],
            [f"takes no texts: {kind}" for kind in ("personal number",) * 2 + ("toll-free number",) * 3],
            id="numbers that may charge, or belong to no phone",
        ),
        pytest.param(
            "",
            ["+8821612345678", "+870773111632", "+88310012345", "+979123456789", "+80812345678", "+447400123456"],
            [f"takes no texts: {kind}" for kind in ("satellite or global number, of no country",) * 3]
            + [f"takes no texts: {kind}" for kind in ("premium-rate number", "shared-cost number")]
            + ["+447400123456"],
            id="numbers of no country",
        ),
        pytest.param("", ["+52 55 1234 5601", "+52 1 55 1234 5602"], ["+525512345601", "+525512345602"], id="num-mx"),
        pytest.param("JP", ["090ー1234ー5678", "090−1234−5679"], ["+819012345678", "+819012345679"], id="num-dashes"),
    ],
)
def test_whom_a_row_is_sent_to(tmp_path: Path, region: str, rows: list[str], expected: list[str]) -> None:
    table = "phone,first_name\n" + "".join(f"{row},Anna\n" for row in rows)

    assert planned(plan_recipients(campaign(tmp_path, table, region=region))) == expected


@pytest.mark.parametrize(
    ("cell", "name", "table", "expected"),
    [
        ("3.93331E+11", "people.jsonl", '{{"phone": {}}}\n', LOST),  # num-json
        ("393331000000.0", "people.jsonl", '{{"phone": {}}}\n', LOST.replace("3.93", "3933")),
        ("3.93331234567E+11", "people.jsonl", '{{"phone": {}}}\n', "+393331234567"),
        ("393331234567", "people.jsonl", '{{"phone": {}}}\n', "+393331234567"),
        ("3.93331E+11", "people.csv", "phone,first_name\n{},Anna\n", LOST),
        ("3331234517.5", "people.csv", "phone,first_name\n{},Anna\n", "is not a whole number"),  # s11
        ("393331234517.25", "people.jsonl", '{{"phone": {}}}\n', "is not a whole number"),
        ("+39333123451.5", "people.csv", "phone,first_name\n{},Anna\n", "is not a whole number"),
        ("333.1234.517", "people.csv", "phone,first_name\n{},Anna\n", "+393331234517"),
    ],
)
def test_digits_that_are_lost_are_not_made_up(tmp_path: Path, cell: str, name: str, table: str, expected: str) -> None:
    definition = campaign(tmp_path, table.format(cell), region="IT", name=name)

    assert planned(plan_recipients(definition)) == [expected]


def test_num_wrapped(tmp_path: Path) -> None:
    table = (
        'phone,first_name\n="3331234501",="Anna"\nwhatsapp:+393331234502,Bea\np:+393331234503,Carla\n'
        'https://wa.me/393331234504,Dina\n+39 333 1234505;,"=""Elsa ""die Eiskönigin"""""\n'
    )

    rows = list(plan_recipients(campaign(tmp_path, table, region="IT")))

    assert [row.number for row in rows] == [f"+39333123450{place}" for place in range(1, 6)]
    assert [rows[0].text, rows[4].text] == ["Hi Anna.", 'Hi Elsa "die Eiskönigin".']


def test_a_landline_is_sent_to_and_counted_unless_the_campaign_is_for_mobiles_alone(tmp_path: Path) -> None:
    table = "phone,first_name\n06 12345678,Anna\n333 1234567,Bea\n"

    every = plan_recipients(campaign(tmp_path, table, region="IT"))
    mobiles = plan_recipients(campaign(tmp_path, table, region="IT", more="mobile_only: true\n"))

    assert planned(every) == ["+390612345678", "+393331234567"]
    assert every.summary.landlines == 1
    assert planned(mobiles) == ["landline, but the campaign is mobile_only", "+393331234567"]
    assert mobiles.summary.landlines == 0
    assert mobiles.summary.counts == {RecipientState.INVALID: 1, RecipientState.PENDING: 1}


def test_a_number_that_may_be_a_mobile_or_a_landline_counts_as_a_mobile(tmp_path: Path) -> None:
    us = phonenumbers.parse("+12025550199")
    assert phonenumbers.number_type(us) == phonenumbers.PhoneNumberType.FIXED_LINE_OR_MOBILE
    table = "phone,first_name\n+1 202-555-0199,Anna\n"

    plan = plan_recipients(campaign(tmp_path, table, more="mobile_only: true\n"))

    assert planned(plan) == ["+12025550199"]


def test_a_reminder_to_a_landline_is_counted(tmp_path: Path) -> None:
    table = "phone,date\n06 12345678,2026-12-05 09:30\n333 1234567,2026-12-05 09:30\n"
    definition = campaign(tmp_path, table, region="IT", more="schedule: {remind: {column: date, before: 1d}}\n")

    plan = plan_reminders(definition, datetime(2026, 12, 1, tzinfo=UTC))

    assert planned(plan) == ["+390612345678", "+393331234567"]
    assert plan.summary.landlines == 1


def test_a_number_that_takes_no_texts_excludes_itself(tmp_path: Path) -> None:
    (tmp_path / "stop.csv").write_text("phone\n+39 899 123456\n")
    definition = campaign(
        tmp_path, "phone,first_name\n3331234567,Anna\n", region="IT", more="exclude: {file: stop.csv, number: phone}\n"
    )

    plan = plan_recipients(definition)

    assert planned(plan) == ["+393331234567"]
    assert plan.summary.warnings == ()


def test_one_phone_in_two_spellings_is_one_person(tmp_path: Path) -> None:
    (tmp_path / "stop.csv").write_text("phone\n+54 11 2345 6700\n")
    table = "phone\n+54 11 2345 6789\n+54 9 11 2345 6789\n+54 9 11 2345 6700\n+52 1 55 1234 5602\n+52 55 1234 5602\n"

    plan = plan_recipients(campaign(tmp_path, table, more="exclude: {file: stop.csv, number: phone}\n"))

    states = [row.state.value for row in plan]
    assert states == ["pending", "duplicate", "excluded", "pending", "duplicate"]


def test_a_number_that_may_be_two_excludes_both(tmp_path: Path) -> None:
    (tmp_path / "stop.csv").write_text("phone\n4915123456789\n089 1234567/8\n")
    table = "phone\n+49 151 23456789\n049 151 23456789\n089 1234567\n0151 23456780\n"
    definition = campaign(tmp_path, table, region="DE", more="exclude: {file: stop.csv, number: phone}\n")

    plan = plan_recipients(definition)

    assert [row.state.value for row in plan] == ["excluded", "excluded", "excluded", "pending"]
    assert not [warning for warning in plan.summary.warnings if "stop.csv" in warning]


def test_digits_that_are_lost_in_the_campaign_file_itself(tmp_path: Path) -> None:
    definition = campaign(tmp_path, "phone\n")
    path = definition.folder / "case.yaml"
    path.write_text("campaign: case\nmessage: Hi\naudience: {recipients: [{number: 3.93331E+11}]}\n")

    assert planned(plan_recipients(load_definition(path, timezone="UTC", region="IT"))) == [LOST]
