"""An audience of people of an earlier campaign: what `where` can ask of them, and that they are planned as a table."""

import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from campaigns.audience import AudienceProblem, AudienceRow
from campaigns.audience.earlier import FIELDS, NO_PERSON, VOCABULARY, EarlierCampaigns, EarlierPeople
from campaigns.checking import check_file
from campaigns.definition import Definition
from campaigns.definition.reading import load_definition
from campaigns.lifecycle import RecipientState
from campaigns.message.conditions import compile_condition
from campaigns.planning.opened import read_through
from campaigns.planning.planner import Plan, plan_recipients
from campaigns.planning.reminders import plan_reminders
from campaigns.problems import CampaignFileError
from campaigns.timing.placing import Placer

NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)
ANNA, BEA, CARLO = "+393331234567", "+393337654321", "+393330000001"
NOBODY = {"state": "", "replied": "no", "opted_out": "no", "variant": "", "delivered_at": ""}
S = RecipientState

Write = Callable[..., Path]


@dataclass(frozen=True)
class People:
    """People of one campaign, as whoever reads the database hands them in."""

    rows: Sequence[AudienceRow]
    warnings: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[AudienceRow]:
        return iter(self.rows)


def people(*rows: tuple[str, ...]) -> EarlierCampaigns:
    found: EarlierPeople = People(
        [AudienceRow(line, row[0], dict(zip(FIELDS, row, strict=True))) for line, row in enumerate(rows, 1)]
    )

    def named(campaign: str) -> EarlierPeople:
        assert campaign == "spring"
        return found

    return named


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(audience: str, more: str = "", message: str = "Hi", name: str = "nudge") -> Path:
        path = tmp_path / f"{name}.yaml"
        path.write_text(f"campaign: {name}\nmessage: {message!r}\n{more}\naudience:\n{audience}\n", encoding="utf-8")
        return path

    return written


def checked(path: Path, **more: Any) -> Definition:
    return check_file(path, timezone="Europe/Rome", region="IT", now=NOW, **more)


def problems(path: Path, **more: Any) -> list[str]:
    with pytest.raises(CampaignFileError) as caught:
        checked(path, **more)
    return [f"{each.line}:{each.column} {each.path} {each.problem} ({each.hint})" for each in caught.value.problems]


SPRING = "  - campaign: spring\n    where: {}"


@pytest.mark.parametrize(
    ("rule", "row", "holds"),
    [
        ("replied", {"replied": "yes"}, True),
        ("not replied", {"replied": "yes"}, False),
        ("not Replied and not opted_out", {}, True),
        ('replied == "no"', {}, True),
        ('state == "delivered" and not replied', {"state": "delivered"}, True),
        ('state == "failed" or state == "expired"', {"state": "expired"}, True),
        ('state != "delivered"', {"state": "sent"}, True),
        ('variant == "short"', {"variant": "short"}, True),
        ('number[:3] == "+39"', {"number": ANNA}, True),
        ('delivered_at >= "2026-12-01"', {"delivered_at": "2026-12-01 00:00+01:00"}, True),
        ('delivered_at < "2026-12-01"', {"delivered_at": "2026-12-01 00:00+01:00"}, False),
        ('delivered_at < "2026-12-01"', {}, False),
        ('"2026-12-01" > delivered_at', {}, False),
        ('not (delivered_at >= "2026-12-01")', {}, True),
        ('"2026-12-01" <= delivered_at < "2026-12-02 08:30"', {"delivered_at": "2026-12-02 08:29+01:00"}, True),
        ('"2026-12-01" in delivered_at', {"delivered_at": "2026-12-01 10:15+01:00"}, True),
        ('delivered_at != ""', {}, False),
        ("delivered_at | default('2026-01-01') | date('%d') == '02'", {"delivered_at": "2026-12-02 09:00+01:00"}, True),
    ],
)
def test_what_a_condition_says_of_a_person(rule: str, row: dict[str, str], holds: bool) -> None:
    assert compile_condition(rule, None, VOCABULARY).holds({**NOBODY, **row}) is holds


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ('state == "deliverd"', "compares state with 'deliverd', which it never is (did you mean delivered?)"),
        ('state != "excluded"', "compares state with 'excluded', which it never is"),
        ("replied == true", "compares replied with 'true', but it says yes or no (write replied, or not replied)"),
        ('"maybe" == opted_out', "compares opted_out with 'maybe', but it says yes or no (write opted_out, or not "),
        ("state", "asks whether state is true, but every cell is a text"),
        ('delivered_at > "yesterday"', "compares delivered_at with 'yesterday', which is not a date (write it as "),
        ('delivered_at >= "2026-13-45"', "compares delivered_at with '2026-13-45', which is not a date"),
        ('delivered_at > "1.12.2026"', "compares delivered_at with '1.12.2026', which is not a date"),
        ('delivered_at == "2026-12-01"', "asks whether delivered_at is '2026-12-01', but it is a time with "),
    ],
)
def test_a_condition_that_would_never_hold_is_a_mistake(write: Write, rule: str, said: str) -> None:
    (found,) = problems(write(SPRING.format(f"'{rule}'")))

    assert found.startswith("6:12 audience[0].where ")
    assert said in found


def test_a_field_of_its_table_is_not_kept_and_the_mistake_says_which_are(write: Write) -> None:
    there = "(there is number, state, replied, opted_out, variant, delivered_at)"
    found = problems(write(SPRING.format('country == "IT"'), message="Hi {{ first_name }}"))

    assert found == [
        f"2:10 message uses {{{{ first_name }}}}, which the people of spring do not have {there}",
        f"6:12 audience[0].where uses country, which the people of spring do not have {there}",
    ]


def test_a_field_with_a_default_is_a_warning(write: Write) -> None:
    warnings: list[Any] = []
    checked(write("  campaign: spring", message="Hi {{ name | default('you') }}"), warnings=warnings)

    assert "no column name for people of an earlier campaign: everybody there gets the default" in warnings[0].problem


def test_a_campaign_cannot_be_its_own_audience(write: Write) -> None:
    assert problems(write("  campaign: nudge")) == [
        "5:13 audience.campaign is this campaign itself (name one that was sent before)"
    ]


def test_what_the_database_says_of_a_campaign_stands_at_its_name(write: Write) -> None:
    def earlier(campaign: str) -> tuple[str, str] | None:
        return None if campaign == "spring" else (f"there is no campaign {campaign}", "did you mean spring?")

    path = write("  - campaign: spring\n  - campaign: sprin\n")

    assert problems(path, earlier=earlier) == [
        "6:15 audience[1].campaign there is no campaign sprin (did you mean spring?)"
    ]


def test_a_list_at_the_gateway_has_no_other_source_beside_it(write: Write) -> None:
    (found,) = problems(write("  - campaign: spring\n  - contact_list: 7"))

    assert "audience has a contact list and other sources" in found


def test_without_a_database_nobody_is_known(write: Write) -> None:
    with pytest.raises(AudienceProblem, match=r"there is no campaign spring \(nothing was sent from this database yet"):
        list(plan_recipients(checked(write("  campaign: spring"))))


def test_people_are_merged_with_other_sources_excluded_and_left_out(write: Write, tmp_path: Path) -> None:
    (tmp_path / "stop.csv").write_text(f"number\n{CARLO}\n")
    audience = (
        SPRING.format("'state == \"delivered\"'") + f'\n  - recipients: [{{number: "{BEA}"}}, {{number: "{ANNA}"}}]'
    )
    earlier = people(
        (ANNA, "delivered", "no", "no", "", ""),
        (BEA, "failed", "no", "no", "", ""),
        (CARLO, "delivered", "no", "no", "", ""),
        ("+390612345678", "delivered", "no", "no", "", ""),
    )
    plan = plan_recipients(
        checked(write(audience, more="mobile_only: true\nexclude: {file: stop.csv}")), earlier=earlier
    )

    assert [(row.number, row.source, row.line, row.state, row.reason) for row in plan] == [
        (ANNA, "campaign spring", 1, S.PENDING, ""),
        (BEA, "campaign spring", 2, S.EXCLUDED, 'left out by `where`: state == "delivered"'),
        (CARLO, "campaign spring", 3, S.EXCLUDED, "listed in stop.csv"),
        ("+390612345678", "campaign spring", 4, S.INVALID, plan_reason(plan)),
        (BEA, "recipients", 1, S.PENDING, ""),
        (ANNA, "recipients", 2, S.DUPLICATE, "same number as row 1 of campaign spring"),
    ]
    (left_out,) = plan.summary.left_out
    assert (left_out.source, left_out.rows) == ("campaign spring", 1)


def plan_reason(plan: Plan) -> str:
    """Why a landline gets nothing, with its row."""
    return next(row.reason for row in plan if row.state is S.INVALID)


def test_a_reminder_goes_by_the_moment_of_delivery(write: Write) -> None:
    more = "schedule: {timezone: Europe/Rome, remind: {column: delivered_at, after: 2d}}"
    earlier = people((ANNA, "delivered", "no", "no", "", "2026-11-30 10:00+01:00"), (BEA, "sent", "no", "no", "", ""))
    definition = checked(write("  campaign: spring", more=more))
    found = list(plan_reminders(definition, NOW, earlier=earlier))

    assert [(row.number, row.state, row.departure and row.departure.at) for row in found] == [
        (ANNA, S.PENDING, datetime(2026, 12, 2, 9, tzinfo=UTC)),
        (BEA, S.SKIPPED, None),
    ]
    assert read_through(definition, earlier) == 0
    (problem,) = problems(write("  campaign: spring", more="schedule: {remind: {column: visit_at, after: 2d}}"))
    assert "schedule.remind.column is 'visit_at', which the people of spring do not have" in problem


STATES = [state.value for state in S if state not in NO_PERSON]
RULES = {  # as it is asked of a campaign, and of a table
    'state == "delivered" and not replied': 'state == "delivered" and replied == "no"',
    "opted_out or replied": 'opted_out == "yes" or replied == "yes"',
    'variant == "a" or delivered_at >= "2026-12-01 12:00"': 'variant == "a" or delivered_at >= "2026-12-01 12:00"',
    'not (state == "failed" or state == "expired")': 'state != "failed" and state != "expired"',
    "": "",
}
a_person = st.tuples(
    st.sampled_from(["+393331234567", "+393337654321", "+390612345678", "+12025550101", "+442079460000"]),
    st.sampled_from(STATES),
    st.sampled_from(["yes", "no"]),
    st.sampled_from(["yes", "no"]),
    st.sampled_from(["", "a", "b"]),
    st.sampled_from(["", "2026-12-01 09:00+01:00", "2026-12-02 09:00+01:00"]),
)
KEYS = [
    "",
    "holdout: 30",
    "mobile_only: true",
    "exclude: {file: stop.csv}",
    "schedule: {spread: 3h, window: {from: '09:00', to: '20:00'}}",
    "schedule: {local_time: recipient, start: '2026-12-03 09:00'}",
]
MESSAGES = [
    "message: Hi",
    "message: \"{{ variant | default('none') }} {{ state }} {{ delivered_at | default('never') }}\"",
    "variants: [{name: x, share: 50, message: X}, {name: y, share: 50, message: 'Y {{ variant }}'}]",
]


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(a_person, max_size=12, unique_by=lambda row: row[0]),
    st.sampled_from(list(RULES)),
    st.sampled_from(KEYS),
    st.sampled_from(MESSAGES),
)
def test_the_plan_is_that_of_a_table_with_the_same_rows(
    tmp_path: Path, rows: list[tuple[str, ...]], rule: str, keys: str, message: str
) -> None:
    (tmp_path / "stop.csv").write_text("number\n+393337654321\n")
    with (tmp_path / "spring.csv").open("w", newline="") as table:
        csv.writer(table).writerows([FIELDS, *rows])

    def planned(source: str, where: str) -> tuple[Any, ...]:
        path = tmp_path / "nudge.yaml"
        ruled = f"\n  where: {where!r}" if where else ""
        path.write_text(f"campaign: nudge\n{message}\n{keys}\naudience:\n  {source}{ruled}\n", encoding="utf-8")
        definition = load_definition(path, timezone="Europe/Rome", region="IT")
        stopped = {"+12025550101"}
        plan = plan_recipients(
            definition,
            placer=Placer(definition.schedule, NOW),
            suppressed=lambda numbers: stopped.intersection(numbers),
            earlier=people(*rows),
        )
        found = [
            (row.number, row.occurrence, row.state, row.text, row.variant, row.segments, row.departure) for row in plan
        ]
        summary = plan.summary
        return (
            found,
            summary.counts,
            summary.segments,
            summary.cuts,
            summary.landlines,
            [each.rows for each in summary.left_out],
        )

    assert planned("campaign: spring", rule) == planned("file: spring.csv", RULES[rule])
