"""Who gets which text, who gets none, and the totals, from real files."""

from collections import Counter
from collections.abc import Callable, Sequence, Set
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from campaigns.audience import AudienceProblem
from campaigns.definition import Definition, Schedule
from campaigns.definition.reading import load_definition
from campaigns.lifecycle import RecipientState
from campaigns.planning.planned import PlannedRecipient, SampleText
from campaigns.planning.planner import Plan, plan_recipients

ANNA, BEA, CARLO = "+393331234567", "+393337654321", "+393330000001"
S = RecipientState


@pytest.fixture
def campaign(tmp_path: Path) -> Callable[..., Definition]:
    def write(message: str = "Hi {{ first_name }}", audience: str = "[{file: people.csv}]", **files: str) -> Definition:
        exclude = files.pop("exclude", "[]")
        for name, content in files.items():
            (tmp_path / f"{name}.csv").write_text(content, encoding="utf-8")
        path = tmp_path / "campaign.yaml"
        path.write_text(
            f"campaign: spring\nmessage: {message!r}\naudience: {audience}\nexclude: {exclude}\ndefault_region: IT\n",
            encoding="utf-8",
        )
        return load_definition(path, timezone="UTC", region=None)

    return write


def planned(definition: Definition, suppressed: Callable[[Sequence[str]], Set[str]] | None = None) -> Plan:
    plan = plan_recipients(definition, suppressed=suppressed)
    assert sum(1 for _ in plan) == plan.summary.audience
    return plan


def test_every_row_has_a_state_and_a_reason(campaign: Callable[..., Definition]) -> None:
    definition = campaign(
        exclude="[{file: bought.csv}]",
        people=f"number,first_name\n{ANNA},Anna\n333,Short\n{BEA},Bea\n333 1234567,Again\n{CARLO},\n1,2,3\n",
        bought=f"number\n0039 {BEA[3:]}\n",
    )

    rows = list(plan_recipients(definition))

    at = "people.csv"
    assert rows == [
        PlannedRecipient(ANNA, 0, at, 2, S.PENDING, "", "Hi Anna", 1),
        PlannedRecipient("333", 2, at, 3, S.INVALID, "row 3 of people.csv: too short for Italy"),
        PlannedRecipient(BEA, 0, at, 4, S.EXCLUDED, "listed in bought.csv"),
        PlannedRecipient(ANNA, 4, at, 5, S.DUPLICATE, "same number as row 2 of people.csv"),
        PlannedRecipient(
            CARLO, 5, at, 6, S.INVALID, 'row 6 of people.csv: the field "first_name" is empty and has no default'
        ),
        PlannedRecipient("1", 6, at, 7, S.INVALID, "row 7 of people.csv: has 3 cells where the header has 2"),
    ]


def test_sources_are_merged_in_order(campaign: Callable[..., Definition]) -> None:
    definition = campaign(
        "Hi",
        "[{file: first.csv, number: Phone}, "
        f"{{recipients: [{{number: '{BEA}'}}, {{number: '{ANNA}'}}]}}, {{file: last.csv}}]",
        first=f"phone\n{ANNA}\n",
        last=f"number\n{BEA}\n{CARLO}\n",
    )

    rows = [(row.source, row.line, row.number, row.occurrence, row.reason) for row in plan_recipients(definition)]

    assert rows == [
        ("first.csv", 2, ANNA, 0, ""),
        ("recipients", 1, BEA, 0, ""),
        ("recipients", 2, ANNA, 3, "same number as row 2 of first.csv"),
        ("last.csv", 2, BEA, 4, "same number as row 1 of recipients"),
        ("last.csv", 3, CARLO, 0, ""),
    ]


def test_an_invalid_row_does_not_take_the_number_from_a_good_one(campaign: Callable[..., Definition]) -> None:
    definition = campaign(people=f"number,first_name\n{ANNA},\n{ANNA},Anna\n")

    rows = [(row.state, row.occurrence) for row in plan_recipients(definition)]

    assert rows == [(S.INVALID, 1), (S.PENDING, 0)]


def test_who_opted_out_gets_nothing(campaign: Callable[..., Definition]) -> None:
    asked: list[Sequence[str]] = []

    def opted_out(numbers: Sequence[str]) -> Set[str]:
        asked.append(numbers)
        return {BEA}

    definition = campaign(people=f"number,first_name\n{ANNA},Anna\n{BEA},Bea\n333,x\n{BEA},Again\n")

    rows = list(plan_recipients(definition, suppressed=opted_out))

    assert asked == [[ANNA, BEA]]
    assert rows[1] == PlannedRecipient(BEA, 0, "people.csv", 3, S.SUPPRESSED, "opted out")
    assert [row.state for row in rows] == [S.PENDING, S.SUPPRESSED, S.INVALID, S.DUPLICATE]


def test_suppression_is_asked_a_thousand_at_a_time(campaign: Callable[..., Definition]) -> None:
    asked: list[int] = []

    def opted_out(numbers: Sequence[str]) -> Set[str]:
        asked.append(len(numbers))
        return frozenset()

    planned(campaign("Hi", people="number\n" + "".join(f"{3330000000 + n}\n" for n in range(2500))), opted_out)

    assert asked == [1000, 1000, 500]


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("{{ first_name[:0] }}", "the text is empty"),
        ("{{ first_name[:0] }} ", "the text is empty"),
        ("{{ first_name }}" + "x" * 1530, "the text takes 11 segments, but at most 10 are allowed"),
    ],
)
def test_texts_that_are_not_sent(campaign: Callable[..., Definition], message: str, reason: str) -> None:
    (row,) = plan_recipients(campaign(message, people=f"number,first_name\n{ANNA},Anna\n"))

    assert (row.state, row.reason) == (S.INVALID, f"row 2 of people.csv: {reason}")


def test_an_unusable_number_is_kept_short(campaign: Callable[..., Definition]) -> None:
    (row,) = plan_recipients(campaign("Hi", people=f"number\n{'Anna ' * 100}\n"))

    assert row.number == ("Anna " * 7)[:32]


def test_the_figures_of_a_plan(campaign: Callable[..., Definition]) -> None:
    definition = campaign(
        people=f"number,first_name\n{ANNA},Łucja\n{BEA},Bea\n{CARLO},{'x' * 160}\n333,\n{ANNA},x\n3330000002,Ł\n"
    )

    summary = planned(definition).summary

    assert summary.audience == 6
    assert summary.counts == {S.PENDING: 4, S.INVALID: 1, S.DUPLICATE: 1}
    assert summary.segments == 5
    assert summary.encodings == {"GSM-7": 2, "UCS-2": 2}
    assert summary.forced_by == (("Ł", 2),)
    assert summary.samples[:2] == (SampleText("+39…67", "Hi Łucja"), SampleText("+39…21", "Hi Bea"))
    assert len(summary.samples) == 3
    assert summary.longest_text == "Hi " + "x" * 160
    assert summary.warnings == ()


def test_an_empty_audience_is_a_plan_of_nothing(campaign: Callable[..., Definition]) -> None:
    summary = planned(campaign(people="number,first_name\n")).summary

    assert (summary.audience, summary.segments, summary.longest_text) == (0, 0, "")


def test_what_a_person_should_know_is_a_warning(campaign: Callable[..., Definition], tmp_path: Path) -> None:
    (tmp_path / "old.csv").write_bytes(b"number,first_name\n+393331234567,Zo\xeb\n")
    definition = campaign(
        audience="[{file: old.csv}]", exclude="[{file: bought.csv}]", bought="number\nAnna\n333 7654321\nBea\n"
    )

    warnings = planned(definition).summary.warnings

    assert warnings == (
        "2 rows of bought.csv contain no phone number and so exclude nobody (first: row 2)",
        "old.csv is not UTF-8 and was read as Windows-1252: check the accents in the samples",
    )


def test_a_list_of_the_gateway_is_planned_without_rows(campaign: Callable[..., Definition]) -> None:
    summary = planned(campaign("Hi", "[{contact_list: 12}]")).summary

    assert summary.audience == 0
    assert "contact list 12" in summary.warnings[0]


def test_a_table_that_cannot_be_used_is_named(campaign: Callable[..., Definition]) -> None:
    plan = plan_recipients(campaign(people="phone\n1\n"))

    with pytest.raises(AudienceProblem, match=r"people\.csv: there is no column number"):
        list(plan)


def test_the_hash_is_of_the_whole_plan(campaign: Callable[..., Definition]) -> None:
    # given
    definition = campaign(people=f"number,first_name\n{ANNA},Anna\n{BEA},Bea\n")
    plan = planned(definition)

    # then the same plan has the same hash, even if the same object makes it again
    first = plan.hash
    assert planned(definition).hash == first
    assert (list(plan), plan.hash)[1] == first

    # when a text, an order, a message or a suppression changes, the hash changes too
    others = [
        planned(campaign(people=f"number,first_name\n{ANNA},Anne\n{BEA},Bea\n")),
        planned(campaign(people=f"number,first_name\n{BEA},Bea\n{ANNA},Anna\n")),
        planned(campaign("Hi {{ first_name }}!", people=f"number,first_name\n{ANNA},Anna\n{BEA},Bea\n")),
        planned(campaign(people=f"number,first_name\n{ANNA},Anna\n{BEA},Bea\n"), frozenset),
    ]
    assert len({first, *(other.hash for other in others)}) == 5


def test_a_plan_that_was_not_read_has_no_hash(campaign: Callable[..., Definition]) -> None:
    plan = plan_recipients(campaign(people=f"number,first_name\n{ANNA},Anna\n"))

    with pytest.raises(ValueError, match="iterate it to the end"):
        _ = plan.hash


CELLS = st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters='\0\r\n",'), max_size=8)
NUMBERS = st.one_of(st.sampled_from([ANNA, BEA, CARLO, "333 1234567", "333", ""]), CELLS)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(st.lists(st.tuples(NUMBERS, CELLS), max_size=30), st.sets(st.sampled_from([ANNA, BEA])))
def test_every_row_is_accounted_for_once(
    campaign: Callable[..., Definition], rows: list[tuple[str, str]], opted_out: set[str]
) -> None:
    content = "number,first_name\n" + "".join(f"{number},{name}\n" for number, name in rows)

    plan = plan_recipients(campaign(people=content), suppressed=lambda _numbers: opted_out)
    recipients = list(plan)

    names = Counter((row.number, row.occurrence) for row in recipients)
    assert set(names.values()) <= {1}
    assert plan.summary.counts == Counter(row.state for row in recipients)
    assert plan.summary.audience == len(recipients)
    for row in recipients:
        assert (row.state is S.PENDING) == bool(row.text) == (row.reason == "")
        assert (row.occurrence == 0) == (row.state in {S.PENDING, S.SUPPRESSED})


@pytest.mark.parametrize(
    ("at", "timezone", "text"),
    [
        ("5.12.2026 9:30", "", "05/12 at 09:30"),
        ("2026-12-05 9:30", "", "05/12 at 09:30"),
        ("2026-12-05T08:30:00Z", "", "05/12 at 09:30"),
        ("2026-12-05 08:30:00+00", "America/New_York", "05/12 at 03:30"),
        ("2026-12-05 09:30", "America/New_York", "05/12 at 09:30"),
        ("2026-12-05", "", "'at' is a day without a time, and the message shows one"),
        ("2026-12-05T08:30Z", "Europe/Roma", "its timezone is unknown (did you mean Europe/Rome?)"),
        ("9999-12-31 23:59:59-14", "", "'at' is not in the years 1800 to 2199: write 2026-12-01 or 2026-12-01 09:30"),
    ],
)
def test_txt_date_one_reader_and_the_clocks_of_the_person(
    campaign: Callable[..., Definition], at: str, timezone: str, text: str
) -> None:
    people = f"number,at,timezone\n{ANNA},{at},{timezone}\n"
    definition = campaign("{{ at | date('%d/%m at %H:%M') }}", people=people)
    rome = definition.model_copy(update={"schedule": Schedule(timezone="Europe/Rome")}).in_folder(definition.folder)

    (row,) = plan_recipients(rome)

    assert (row.text or row.reason.removeprefix("row 2 of people.csv: ")) == text


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ("'2026-12-05 09:30", "2026-12-05 09:30 05/12"),  # with this, a spreadsheet keeps a text as it was typed
        ("'5.12.2026", "5.12.2026 05/12"),
        ("'s-Hertogenbosch", "'s-Hertogenbosch"),
    ],
)
def test_s4_the_apostrophe_before_a_date_is_not_shown(
    campaign: Callable[..., Definition], cell: str, text: str
) -> None:
    message = "{{ at }} {{ at | date('%d/%m') }}" if text[-1].isdigit() else "{{ at }}"
    (row,) = plan_recipients(campaign(message, people=f"number,at\n{ANNA},{cell}\n"))

    assert row.text == text
