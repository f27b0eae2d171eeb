"""What is shown of steps by `status`, `why`, exports and plans; and what else has to know of them."""

import csv
import io
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from campaigns.audience.earlier import EarlierPeople
from campaigns.lifecycle import RecipientState, RunState
from campaigns.phone_numbers.masking import mask
from scheduler.actions.plans.facts import preview_json, step_lines
from scheduler.actions.plans.preview import plan
from scheduler.actions.reading.runs import read_at_work, read_runs
from scheduler.cli.rendering.plan import print_preview
from scheduler.intake.earlier import earlier_in
from scheduler.report.people import tell
from scheduler.report.rows import write_csv
from scheduler.report.story import chapter_json, chapter_lines
from scheduler.report.summary import other_lines, progress_json
from tests.protocol.steps.test_protocol_steps import ANNA, BEN, CLEO, HOUR, NUDGE, steps
from tests.protocol.world.harness import Installation
from worker.store.forgetting import ageing, erasing

P = RecipientState
UTC = ZoneInfo("UTC")


def nudged(bench: Installation) -> tuple[int, int]:
    """A campaign to Anna, Ben and Cleo, whose step went to Ben and Cleo, because Anna had replied."""
    run_id = bench.campaign(3, more=NUDGE)
    [nudge] = steps(bench, run_id)
    bench.pass_time(30)
    bench.gateway.set_all("Delivered")
    bench.gateway.receive(ANNA, "I'll be there")
    bench.pass_time(HOUR + timedelta(minutes=1), step=120)
    bench.gateway.set_all("Delivered")
    bench.until(lambda: bench.run(nudge.id).finished_at is not None)
    return run_id, nudge.id


def test_status_shows_steps_with_their_run(bench: Installation) -> None:
    run_id = bench.campaign(3, more=NUDGE)
    [nudge] = steps(bench, run_id)
    bench.pass_time(30)
    bench.gateway.set_all("Delivered")
    bench.until(lambda: bench.run(run_id).followed_at is not None)
    now = bench.clock.now()

    [seen] = read_runs(bench.store, "sale", now=now)
    shown = progress_json(seen)
    assert (seen.run.id, seen.run.state) == (run_id, RunState.SETTLING)
    [step] = shown["steps"]
    assert (step["step"], step["run"], step["recipients"]) == ("nudge", nudge.id, {"audience": 3, "pending": 3})
    # the campaign is at work as long as its step is to come
    assert [each.run.id for each in read_runs(bench.store, None, now=now)] == [run_id]
    assert [each.run.id for each in read_at_work(bench.store, now=now)] == [run_id]


def test_why_tells_who_got_which_step_and_why_others_did_not(bench: Installation) -> None:
    _, nudge = nudged(bench)
    now = bench.clock.now()
    anna, ben = (tell(bench.store, [number], now=now).chapters[0] for number in (ANNA, BEN))
    left_out = "\n".join(chapter_lines(anna, UTC))
    assert "why: not sent: they had replied" in left_out
    assert " now" not in left_out  # she is in no batch any more
    told = list(chapter_lines(ben, UTC))
    assert told[0].startswith(f"{ben.row.campaign}, step nudge")
    assert any(line.startswith(f"  run {nudge}: a step of run ") for line in told)
    assert chapter_json(ben, UTC, full=True)["step"] == "nudge"


def test_the_status_of_a_step_has_no_line_for_the_run_that_it_belongs_to(bench: Installation) -> None:
    _, nudge = nudged(bench)
    [seen] = read_runs(bench.store, "sale", nudge, now=bench.clock.now())
    assert list(other_lines(seen, UTC)) == []


def test_why_says_that_somebody_waits_for_the_text_before(bench: Installation) -> None:
    bench.campaign(1, more=NUDGE + "schedule: {start: 2030-01-01 09:00}\n")
    [chapter, _] = tell(bench.store, [ANNA], now=bench.clock.now()).chapters
    assert "why: waits for the step before" in "\n".join(chapter_lines(chapter, UTC))


def test_an_export_has_the_people_once_for_each_step(bench: Installation) -> None:
    run_id, _ = nudged(bench)
    written = io.StringIO()
    assert write_csv(bench.store, run_id, written, with_resends=True, with_steps=True) == 6
    rows = list(csv.DictReader(io.StringIO(written.getvalue())))
    assert rows[3]["reason"] == "not sent: they had replied"
    assert [(row["number"], row["step"], row["state"]) for row in rows[2:]] == [
        (CLEO, "", "delivered"),
        (ANNA, "nudge", "excluded"),
        (BEN, "nudge", "delivered"),
        (CLEO, "nudge", "delivered"),
    ]


def test_a_plan_says_the_most_and_the_least(bench: Installation) -> None:
    (bench.folder / "sale.csv").write_text(f"number\n{ANNA}\n{BEN}\n")
    path = bench.folder / "sale.yaml"
    path.write_text(
        "campaign: sale\nmessage: Ciao\naudience: {file: sale.csv}\nschedule: {start: 2026-12-10 09:00}\n"
        "steps:\n  - {name: one, after: 1d, message: One}\n"
        "  - {name: two, after: 1d, only_if: delivered, message: Two}\n"
    )
    seen = plan(path, bench.settings, rehearsal=False, now=bench.clock.now())
    one, two = preview_json(seen)["steps"]
    assert (one["recipients"], two["recipients"]) == ({"most": 2, "least": 2}, {"most": 2, "least": 0})
    assert (one["first_send_at"], two["first_send_at"]) == ("2026-12-11T09:00:00Z", "2026-12-12T09:00:00Z")
    assert list(step_lines(seen.summary.steps[1], UTC)) == [
        "two: 0 to 2 texts, only if delivered",
        "  2 segments",
        "  1d after the text before",
        "  Sat 2026-12-12 09:00 (UTC) at the earliest",
    ]


def test_a_plan_shows_the_texts_of_steps(bench: Installation, capsys: pytest.CaptureFixture[str]) -> None:
    (bench.folder / "sale.csv").write_text(f"number,name\n{ANNA},Anna\n{BEN},{'B' * 70}\n")
    path = bench.folder / "sale.yaml"
    path.write_text(
        "campaign: sale\nmessage: Ciao\naudience: {file: sale.csv}\nsteps:\n"
        '  - {name: one, after: 1d, message: "Still there, {{ name }}? 😀"}\n  - {name: two, after: 1d, message: Bye}\n'
    )
    seen = plan(path, bench.settings, rehearsal=False, now=bench.clock.now())
    one, two = preview_json(seen)["steps"]
    longest = f"Still there, {'B' * 70}? 😀"
    assert one["encodings"] == {"UCS-2": 2}
    assert [(each["code"], each["texts"]) for each in one["forced_by"]] == [("U+1F600", 2)]
    assert one["sample"] == {"number": mask(ANNA), "text": "Still there, Anna? 😀"}
    assert (one["longest_text"], one["segments"]) == (longest, 3)
    assert (two["longest_text"], two["encodings"], two["forced_by"]) == ("Bye", {"GSM-7": 2}, [])
    hidden = preview_json(seen, full=False)["steps"][0]
    assert (hidden["sample"], hidden["longest_text"]) == (None, None)
    print_preview(seen)
    printed = capsys.readouterr().out
    assert "one: 2 texts\n                 3 segments (2 texts UCS-2)\n                 1d after" in printed
    assert "U+1F600 GRINNING FACE in 2 texts, step one" in printed
    assert f"\nlongest text of step one (UCS-2, segments: 2)\n  {longest}\n" in printed
    assert printed.endswith(f"\nstep two, to {mask(ANNA)}\n  Bye\n")


def test_a_later_campaign_takes_people_by_what_became_of_the_text_itself(bench: Installation) -> None:
    nudged(bench)
    definition = bench.runtime.definitions.get(1).model_validate(
        {"campaign": "next", "message": "Ciao", "audience": [{"campaign": "sale"}]}
    )
    with earlier_in(bench.store, definition, rehearsal=False) as earlier:
        people: EarlierPeople = earlier("sale")
        found = {row.number: (row.fields["state"], row.fields["replied"]) for row in people}
    assert found == {ANNA: ("delivered", "yes"), BEN: ("delivered", "no"), CLEO: ("delivered", "no")}


def test_nobody_is_forgotten_while_a_step_waits_for_them(bench: Installation) -> None:
    run_id = bench.campaign(1, more=NUDGE.replace("1h", "30d"))
    [nudge] = steps(bench, run_id)
    bench.pass_time(30)
    bench.gateway.set_all("Delivered")
    bench.until(lambda: bench.run(run_id).followed_at is not None)
    later = bench.clock.now() + timedelta(days=20)
    with bench.store.read() as session:
        assert ageing.old_runs(session, ageing.PEOPLE, later) == []
    bench.cancel(nudge.id)
    bench.until(lambda: bench.run(run_id).finished_at is not None)
    with bench.store.read() as session:
        assert sorted(ageing.old_runs(session, ageing.PEOPLE, later)) == [run_id, nudge.id]


def test_whoever_is_erased_gets_no_step(bench: Installation) -> None:
    run_id = bench.campaign(2, more=NUDGE)
    [nudge] = steps(bench, run_id)
    bench.pass_time(30)
    bench.gateway.set_all("Delivered")
    bench.until(lambda: bench.run(run_id).followed_at is not None)
    with bench.store.write() as session:
        erasing._cancel(session, [ANNA])
    bench.pass_time(HOUR + timedelta(minutes=1), step=120)
    assert bench.states(nudge.id) == {P.CANCELLED: 1, P.ACCEPTED: 1}
