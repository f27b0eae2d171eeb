"""A campaign to the people of an earlier one: read once with its plan, which then stays whatever becomes of them."""

import tracemalloc
from datetime import timedelta

import pytest
import sqlalchemy as sa

from campaigns.lifecycle import RecipientState, RunState
from campaigns.problems import CampaignFileError
from campaigns.take_up import Taken
from scheduler.intake.earlier import earlier_in
from scheduler.intake.taking import read_known_file
from tests.protocol.world.harness import Installation
from worker.store.people.earlier_people import AT_ONCE
from worker.store.runs import approvals
from worker.store.tables import campaigns

P = RecipientState
ANNA, BEN, CLEO, DORA = (f"+39333{place:07}" for place in range(4))
NUDGE = """\
campaign: nudge
message: Still there?
audience:
  - campaign: first
    where: state == "delivered" and not replied
follow: {until: 1h}
"""


@pytest.fixture
def sent(bench_on_both: Installation) -> Installation:
    """A campaign that went to four people: three have it, one of them replied, and one text failed."""
    bench = bench_on_both
    run_id = bench.campaign(4, name="first", more="follow: {until: 2h}\n")
    bench.send()
    bench.gateway.set_all("Delivered", numbers=[ANNA, BEN, CLEO])
    bench.gateway.set_all("Failed", numbers=[DORA])
    bench.gateway.receive(BEN, "Yes please")
    bench.pass_time(120)
    assert bench.states(run_id) == {P.DELIVERED: 3, P.FAILED: 1}
    return bench


def pending(bench: Installation, run_id: int) -> list[str]:
    return [row.number for row in bench.recipients(run_id) if row.state is not P.EXCLUDED]


def test_who_got_it_and_did_not_reply_is_texted_again(sent: Installation) -> None:
    run_id = sent.drop(NUDGE, "nudge").run_id
    sent.finish(run_id, within=timedelta(hours=3))

    assert sent.states(run_id) == {P.DELIVERED: 2, P.EXCLUDED: 2}
    assert {message.number for message in sent.gateway.stored if message.text == "Still there?"} == {ANNA, CLEO}
    assert {row.state for row in sent.recipients(run_id) if row.number == BEN} == {P.EXCLUDED}


def test_its_plan_stays_until_the_file_is_edited(sent: Installation) -> None:
    """Whoever approves it approves these people: with each receipt of the earlier campaign it would be another plan."""
    file = NUDGE + "approval: true\n"
    first = sent.drop(file, "nudge")
    plan = sent.run(first.run_id).plan_hash
    sent.gateway.receive(CLEO, "Yes")
    sent.pass_time(120)

    again = sent.drop(file, "nudge")
    assert (again.run_id, again.taken) == (first.run_id, Taken.KEPT)
    assert sent.run(first.run_id).plan_hash == plan
    assert pending(sent, first.run_id) == [ANNA, CLEO]
    assert sent.run(first.run_id).state is RunState.AWAITING_APPROVAL

    edited = sent.drop(file + "description: read it again\n", "nudge")
    assert (edited.run_id, edited.taken) == (first.run_id, Taken.PLANNED)
    assert pending(sent, first.run_id) == [ANNA]
    with sent.store.write() as session:
        hash_ = sent.run(first.run_id).plan_hash
        approvals.approve(session, first.run_id, hash_, by="anna", now=sent.clock.now())
    assert sent.drop(file + "description: read it again\n", "nudge").taken is Taken.KEPT
    sent.finish(first.run_id, within=timedelta(hours=3))
    assert {message.number for message in sent.gateway.stored if message.text == "Still there?"} == {ANNA}


def test_nobody_of_the_earlier_campaign_is_added_once_it_sends_but_who_is_new_in_a_table_is(
    sent: Installation,
) -> None:
    (sent.folder / "more.csv").write_text("number\n+393339990001\n")
    file = NUDGE.replace("follow:", "  - file: more.csv\nfollow:").replace(" and not replied", "")
    run_id = sent.drop(file, "nudge").run_id
    sent.send()
    sent.gateway.set_all("Delivered")  # Dora has it after all
    sent.pass_time(60)
    (sent.folder / "more.csv").write_text("number\n+393339990001\n+393339990002\n")

    again = sent.drop(file, "nudge")

    assert (again.taken, again.added) == (Taken.EXTENDED, 1)
    assert DORA not in pending(sent, run_id)
    assert "+393339990002" in pending(sent, run_id)


def test_one_with_tables_is_planned_again_and_reads_all_again(sent: Installation) -> None:
    (sent.folder / "stop.csv").write_text("number\n+393339990001\n")
    file = NUDGE + "approval: true\nexclude: {file: stop.csv}\n"
    run_id = sent.drop(file, "nudge").run_id
    assert pending(sent, run_id) == [ANNA, CLEO]
    (sent.folder / "stop.csv").write_text(f"number\n{ANNA}\n")

    assert sent.drop(file, "nudge").taken is Taken.PLANNED
    assert pending(sent, run_id) == [CLEO]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("frist", "there is no campaign frist (did you mean first?)"),
        ("later", "later has not run yet, so nobody knows its people (plan this campaign once the other one has "),
    ],
)
def test_a_campaign_that_is_not_there_or_has_not_run_is_refused_before_anything_is_made(
    sent: Installation, name: str, said: str
) -> None:
    sent.campaign(1, name="later", first=50, more="schedule: {start: 2030-01-01 09:00}\n", text="Later")
    path = sent.folder / "nudge.yaml"
    path.write_text(NUDGE.replace("campaign: first", f"campaign: {name}"))

    with pytest.raises(CampaignFileError) as caught:
        read_known_file(sent.runtime, path, now=sent.clock.now(), inbox=sent.folder.resolve())
    (problem,) = caught.value.problems
    assert (problem.line, problem.column, problem.path) == (4, 15, "audience[0].campaign")
    assert said in str(caught.value)
    with pytest.raises(CampaignFileError, match=r"audience: " + said[:15]):  # where nobody looked before the plan
        sent.drop(path.read_text(), "nudge")


def test_the_people_of_a_rehearsal_are_for_rehearsals(sent: Installation) -> None:
    with sent.runtime.store.write() as session:
        session.execute(sa.update(campaigns).values(rehearsal=True))

    with pytest.raises(CampaignFileError, match="first was only rehearsed"):
        sent.drop(NUDGE, "nudge")


def test_the_plan_says_that_the_earlier_campaign_is_not_over(sent: Installation) -> None:
    sent.campaign(2, name="second", text="Second")
    sent.send()
    later = NUDGE.replace("campaign: first", "campaign: second") + "schedule: {start: 2030-01-01 09:00}\n"
    run_id = sent.drop(later, "nudge").run_id
    still = "second is not over: its people are taken with what is known of their texts now"
    assert sent.run(run_id).plan_summary["warnings"] == [still]


def test_variants_and_a_control_group_are_cut_from_the_same_people_in_both_passes(sent: Installation) -> None:
    split = "variants: [{name: a, share: 50, message: A}, {name: b, share: 50, message: B}]\nholdout: 34"
    run_id = sent.drop(NUDGE.replace("message: Still there?", split).replace(" and not replied", ""), "nudge").run_id

    states = sent.states(run_id)
    assert (states[P.HOLDOUT], states[P.PENDING], states[P.EXCLUDED]) == (1, 2, 1)


def test_the_people_are_the_same_however_often_they_are_read_and_take_no_memory(bench: Installation) -> None:
    """A plan with variants passes twice over them, and in between the other campaign goes on."""
    bench.finish(bench.campaign(3 * AT_ONCE, name="first", per_request=500), within=timedelta(hours=1))
    path = bench.folder / "nudge.yaml"
    path.write_text(NUDGE)
    definition = read_known_file(bench.runtime, path, now=bench.clock.now(), inbox=bench.folder.resolve())
    with earlier_in(bench.store, definition, rehearsal=False) as earlier:
        tracemalloc.start()
        first = earlier("first")
        rows = sum(1 for _ in first)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        one, other = iter(first), iter(earlier("first"))
        for _ in range(2 * AT_ONCE):
            assert next(one) == next(other)
    assert rows == 3 * AT_ONCE
    assert most < 4_000_000, f"{most:,} bytes for {rows:,} people"
