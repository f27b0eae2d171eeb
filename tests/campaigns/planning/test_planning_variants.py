"""Variants and a control group in a plan: who gets which text, and who in the audience is assigned at all."""

from collections import Counter
from collections.abc import Callable, Sequence, Set
from datetime import UTC, datetime
from pathlib import Path

import pytest

from campaigns.definition import Definition
from campaigns.definition.reading import load_definition
from campaigns.lifecycle import RecipientState
from campaigns.planning.planned import PlannedRecipient
from campaigns.planning.planner import plan_recipients
from campaigns.planning.splitting import Split
from campaigns.timing.placing import Placer

S = RecipientState
TWO = "variants: [{name: a, share: 30, message: 'Hi {{ name }}'}, {name: b, share: 70, message: 'Ciao {{ town }}'}]"

Write = Callable[..., Definition]


@pytest.fixture
def campaign(tmp_path: Path) -> Write:
    def write(more: str = TWO, *, rows: Sequence[str] = ()) -> Definition:
        (tmp_path / "people.csv").write_text("\n".join(["number,name,town", *rows]), encoding="utf-8")
        path = tmp_path / "campaign.yaml"
        path.write_text(f"campaign: spring\n{more}\naudience: {{file: people.csv}}\n", encoding="utf-8")
        return load_definition(path, timezone="UTC", region=None)

    return write


def people(how_many: int, first: int = 0) -> list[str]:
    return [f"+39333{place:07},N{place},T{place}" for place in range(first, first + how_many)]


def by_variant(rows: Sequence[PlannedRecipient]) -> dict[str, str]:
    """Number -> variant, or the state of those who get none."""
    return {row.number: row.variant or row.state for row in rows}


def test_everybody_gets_one_variant_and_the_shares_are_exact(campaign: Write) -> None:
    plan = plan_recipients(campaign(f"{TWO}\nholdout: 10", rows=people(1_000)))
    rows = list(plan)

    assert Counter(by_variant(rows).values()) == {"a": 270, "b": 630, S.HOLDOUT: 100}
    assert all(row.text.startswith({"a": "Hi N", "b": "Ciao T", "": ""}[row.variant]) for row in rows)
    control = [row for row in rows if row.state is S.HOLDOUT]
    assert {(row.text, row.segments, row.departure, row.reason) for row in control} == {
        ("", 0, None, "in the control group of 10 %")
    }


def test_the_figures_are_told_for_each_variant(campaign: Write) -> None:
    long = "variants: [{name: a, share: 50, message: Hi}, {name: b, share: 50, message: '" + "x" * 200 + "'}]"
    plan = plan_recipients(campaign(long, rows=people(10)))
    list(plan)

    summary = plan.summary
    a, b = summary.variants
    assert (a.name, a.share, a.recipients, a.segments, a.longest_text) == ("a", 50, 5, 5, "Hi")
    assert (b.name, b.share, b.recipients, b.segments, b.longest_text) == ("b", 50, 5, 10, "x" * 200)
    assert (summary.segments, summary.longest_text, summary.encodings) == (15, "x" * 200, {"GSM-7": 10})
    assert a.sample is not None
    assert a.sample.text == "Hi"


def test_planned_again_everybody_gets_the_same(campaign: Write) -> None:
    definition = campaign(f"{TWO}\nholdout: 5", rows=people(500))
    first = list(plan_recipients(definition))

    shuffled = campaign(f"{TWO}\nholdout: 5", rows=people(500)[::-1])

    assert by_variant(list(plan_recipients(shuffled))) == by_variant(first)


def test_only_who_could_be_sent_to_is_shared_out(campaign: Write) -> None:
    rows = [*people(100), "call me,Eve,Rome", *people(20), "+393339999999,Zoe,"]
    suppressed = {f"+39333{place:07}" for place in range(40)}

    def opted_out(numbers: Sequence[str]) -> Set[str]:
        return suppressed & set(numbers)

    planned = list(plan_recipients(campaign(f"{TWO}\nholdout: 50", rows=rows), suppressed=opted_out))

    found = Counter(row.variant or row.state for row in planned)
    assert found == {S.HOLDOUT: 30, "a": 9, "b": 21, S.SUPPRESSED: 40, S.DUPLICATE: 20, S.INVALID: 2}
    # people who lack a field of one variant are in neither; otherwise the groups would differ in it
    assert planned[-1].reason == 'row 123 of people.csv: variant b: the field "town" is empty and has no default'


def test_whoever_is_new_goes_by_the_split_of_the_first_plan(campaign: Write) -> None:
    definition = campaign(f"{TWO}\nholdout: 10", rows=people(1_000))
    plan = plan_recipients(definition)
    before = by_variant(list(plan))

    more = campaign(f"{TWO}\nholdout: 10", rows=people(1_100))
    after = plan_recipients(more, split=Split(plan.summary.cuts))
    grown = by_variant(list(after))

    assert {number: grown[number] for number in before} == before
    assert after.summary.cuts == plan.summary.cuts
    assert set(grown.values()) == {"a", "b", S.HOLDOUT}


def test_a_control_group_of_a_campaign_with_one_text(campaign: Write) -> None:
    plan = plan_recipients(campaign("message: Hi\nholdout: 20", rows=people(50)))
    rows = list(plan)

    assert Counter(row.state for row in rows) == {S.PENDING: 40, S.HOLDOUT: 10}
    assert {row.variant for row in rows} == {""}
    assert plan.summary.variants == ()


def test_a_spread_leaves_no_hole_at_its_end_for_the_control_group(campaign: Write) -> None:
    definition = campaign("message: Hi\nholdout: 50\nschedule: {spread: 100m}", rows=people(100))
    now = datetime(2026, 12, 1, 9, tzinfo=UTC)

    rows = list(plan_recipients(definition, placer=Placer(definition.schedule, now)))

    minutes = [(row.departure.at - now).total_seconds() / 60 for row in rows if row.departure]
    assert len(minutes) == 50
    assert minutes == sorted(minutes)
    halves = Counter(minute < 50 for minute in minutes)
    assert min(halves.values()) > 15
