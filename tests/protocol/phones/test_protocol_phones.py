"""Phones that may text so many people a month, and people who always have the same phone, through the whole product."""

from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from campaigns.codes import WaitsFor
from campaigns.lifecycle import RecipientState
from campaigns.problems import CampaignFileError
from campaigns.sending.sticking import Ranking
from scheduler.report.devices import people_of_month
from tests.protocol.world.harness import Installation
from tests.protocol.world.scripted_gateway import LOST, STORED, Answers, Send, Stores
from worker.store.following import devices
from worker.store.following.devices import Waiting
from worker.store.people import people_on_record
from worker.store.reports.waiting import PutOff, put_off
from worker.store.sending import grants
from worker.store.tables import device_months, device_people

P = RecipientState
NEXT_MONTH = datetime(2027, 1, 1, tzinfo=UTC)
TWO = "devices: {use: [1, 2]}\n"
STICKS = "devices: {use: [1, 2, 3], stick: recipient}\n"
NOT_THERE = Send(Answers.NO_CONNECTION, Stores.NONE)


def limited(bench: Installation, most: int | None) -> Installation:
    """Another process on the same database and gateway, whose phones may text so many people a month."""
    return Installation(bench.folder, bench.store, bench.clock, bench.gateway, device_people_monthly=most)


def used(bench: Installation) -> dict[str, int]:
    """The people of the month by phone, which are the same counted and on record."""
    month = datetime(bench.clock.now().year, bench.clock.now().month, 1, tzinfo=UTC)
    end = (month + timedelta(days=31)).replace(day=1)
    with bench.store.read() as session:
        found = people_on_record.used_by(session, bench.runtime.account_id, (month, end))
    with bench.store.write() as session:
        session.execute(sa.delete(device_people))
        session.execute(sa.delete(device_months))
        session.flush()
        assert people_on_record.used_by(session, bench.runtime.account_id, (month, end)) == found
        session.rollback()
    return found


def sent_by(bench: Installation, name: str = "") -> dict[str, set[str]]:
    """The numbers that each phone texted; `name`: with this text."""
    found = defaultdict(set)
    for message in bench.gateway.stored:
        if message.text.startswith(name):
            found[message.device].add(message.number)
    return dict(found)


def stuck(bench: Installation, device: int, *, is_so: bool = True) -> None:
    account, now = bench.runtime.account_id, bench.clock.now()
    with bench.store.write() as session:
        if is_so:
            devices.record_stuck(session, account, Waiting(device, 1, now, 0), now=now)
        else:
            devices.forget_stuck(session, account, device)
    bench.clock.advance(1)  # limits are read every half second


def test_a_batch_takes_as_many_people_as_fit_and_the_rest_waits_for_the_next_month(
    bench_on_both: Installation,
) -> None:
    bench = limited(bench_on_both, 3)
    run_id = bench.campaign(5, more="devices: {use: [1]}\n")

    bench.pass_time(60)

    waiting = [batch for batch in bench.batches(run_id) if batch.waits_for is WaitsFor.BUDGET]
    assert [(batch.recipients, batch.not_before) for batch in waiting] == [(2, NEXT_MONTH)]
    assert waiting[0].reason == "its phones have texted 3 different people each this month, as many as they may"
    assert (len(bench.gateway.stored), used(bench)) == (3, {"1": 3})
    with bench.store.read() as session:
        assert put_off(session, run_id, now=bench.clock.now()) == [PutOff(NEXT_MONTH, waiting[0].reason, 2)]
    bench.finish_from_due_to_due(run_id, within=timedelta(days=40))
    assert bench.states(run_id) == {P.DELIVERED: 5}
    assert set(bench.gateway.copies().values()) == {1}
    assert used(bench) == {"1": 2}


def test_the_rest_goes_by_another_phone_that_has_room(bench_on_both: Installation) -> None:
    bench = limited(bench_on_both, 3)
    run_id = bench.campaign(8, more=TWO)

    bench.finish_from_due_to_due(run_id, within=timedelta(days=40))

    by_month = Counter((message.device, message.at.month) for message in bench.gateway.stored)
    assert by_month == {("1", 12): 3, ("2", 12): 3} | {key: n for key, n in by_month.items() if key[1] == 1}
    assert bench.states(run_id) == {P.DELIVERED: 8}


def test_whoever_was_texted_by_the_phone_this_month_is_free(bench_on_both: Installation) -> None:
    bench = limited(bench_on_both, 3)
    bench.finish(bench.campaign(3, name="one", more="devices: {use: [1]}\n"))

    second = bench.campaign(4, name="two", text="Ancora {{ first_name }}", more="devices: {use: [1]}\n")
    bench.pass_time(60)

    assert Counter(row.state for row in bench.recipients(second)) == {P.ACCEPTED: 3, P.PENDING: 1}
    bench.finish_from_due_to_due(second, within=timedelta(days=40))
    assert used(bench) == {"1": 1}


def test_what_the_gateway_chooses_is_one_phone(bench: Installation) -> None:
    bench = limited(bench, 4)
    first = bench.campaign(3, name="one")
    second = bench.campaign(3, name="two", first=5, text="Ancora {{ first_name }}", more="devices: {mode: all_sims}\n")

    bench.pass_time(60)

    assert len(bench.gateway.stored) == 4
    assert used(bench) == {"any": 4}
    bench.finish_from_due_to_due(first, second, within=timedelta(days=40))


def test_names_of_a_phone_count_apart_and_what_is_shown_joins_them_and_plans_warn(bench_on_both: Installation) -> None:
    bench = limited(bench_on_both, 4)
    named = {"one": "1", "two": '"1|0"'}
    warned = {}
    for name, use in named.items():  # of the second three, the first one has texted two
        run_id = bench.campaign(
            3, name=name, first=int(name == "two"), more=f"devices: {{use: [{use}]}}\n",
            text=f"{name} {{{{ first_name }}}}",
        )  # fmt: skip
        bench.finish(run_id)
        warned[name] = bench.run(run_id).plan_summary["warnings"]
    without = bench.campaign(1, name="three", first=50)

    assert used(bench) == {"1": 3, "1|0": 3}
    with bench.store.read() as session:
        current = bench.runtime.ceilings.current()
        shown = people_of_month(session, bench.runtime.account_id, current, bench.settings.zone, now=bench.clock.now())
    assert shown == {"1": 3, "1|0": 4}
    assert warned["one"] == []
    assert "people texted as 1 this month do not count for 1|0" in warned["two"][0]
    assert "the gateway chooses the phone" in bench.run(without).plan_summary["warnings"][0]
    bench.finish(without)


def test_a_contact_list_is_refused_because_nobody_knows_its_people(bench: Installation) -> None:
    with pytest.raises(CampaignFileError, match="CAMPAIGNS_DEVICE_PEOPLE_MONTHLY limits how many people"):
        limited(bench, 4).drop("campaign: club\nmessage: Hi\naudience: [{contact_list: 7}]\n", "club")


def test_a_contact_list_that_was_planned_before_is_held(bench: Installation) -> None:
    run_id = bench.drop("campaign: club\nmessage: Hi\naudience: [{contact_list: 7}]\n", "club").run_id
    bench.enqueue()
    other = limited(bench, 4)
    other.queue.jobs = bench.queue.jobs
    other.work()

    assert [batch.state.value for batch in bench.batches(run_id)] == ["held"]
    assert bench.gateway.stored == []


def test_what_is_proven_not_sent_is_given_back_and_a_lost_reply_counts_once(bench_on_both: Installation) -> None:
    known = limited(bench_on_both, 9)
    known.finish(known.campaign(1, name="before", first=900, more="devices: {use: [3]}\n"))
    bench = limited(known, 3)
    bench.gateway.script += [NOT_THERE] * 3 + [LOST, STORED]
    run_id = bench.campaign(3, per_request=3, more="devices: {use: [1]}\n")

    bench.until(lambda: bench.run(run_id).sent_at is not None)

    assert used(bench) == {"1": 3, "3": 1}
    bench.finish(run_id)
    assert bench.states(run_id) == {P.DELIVERED: 3}


def test_a_raised_limit_wakes_whoever_waits(bench: Installation) -> None:
    first = limited(bench, 2)
    run_id = first.campaign(3, more="devices: {use: [1]}\n")
    first.pass_time(60)
    assert len(bench.gateway.stored) == 2

    second = limited(bench, 3)
    with second.store.write() as session:
        grants.wake_spent(session, second.runtime.account_id, now=second.clock.now())
    second.finish(run_id)

    assert second.states(run_id) == {P.DELIVERED: 3}


def test_it_is_counted_from_the_requests_when_it_is_first_set_and_when_its_rows_are_gone(
    bench_on_both: Installation,
) -> None:
    # given people texted without the limit, and another process that has one
    without = limited(bench_on_both, None)
    without.finish(without.campaign(2, name="one", more="devices: {use: [1]}\n"))
    with without.store.read() as session:
        assert session.scalars(sa.select(sa.func.count()).select_from(device_people)).one() == 0
    bench = limited(without, 3)
    second = bench.campaign(2, name="two", first=5, text="Ancora {{ first_name }}", more="devices: {use: [1]}\n")
    bench.pass_time(60)
    assert (len(sent_by(bench, "Ancora")["1"]), used(bench)) == (1, {"1": 3})

    # when somebody deletes the rows while it works
    with bench.store.write() as session:
        session.execute(sa.delete(device_people))
        session.execute(sa.delete(device_months))
    third = bench.campaign(2, name="three", first=8, text="Terza {{ first_name }}", more="devices: {use: [1]}\n")
    bench.pass_time(60)

    # then nobody new was texted
    assert not sent_by(bench, "Terza")
    assert used(bench) == {"1": 3}
    bench.finish_from_due_to_due(second, third, within=timedelta(days=40))


def test_without_the_setting_nothing_is_written(bench: Installation) -> None:
    bench.finish(bench.campaign(3, more=TWO))
    with bench.store.read() as session:
        for table in (device_people, device_months):
            assert session.scalars(sa.select(sa.func.count()).select_from(table)).one() == 0


def homes(bench: Installation, run_id: int) -> dict[str, set[str]]:
    """Whom each of three phones has to text."""
    ranking, found = Ranking(["1", "2", "3"]), defaultdict(set)
    for row in bench.recipients(run_id):
        found[ranking.first(row.number)].add(row.number)
    return dict(found)


def test_everybody_is_always_texted_by_the_same_phone(bench: Installation) -> None:
    first = bench.campaign(30, name="one", more=STICKS)
    second = bench.campaign(20, name="two", text="Ancora {{ first_name }}", first=5, per_request=3, more=STICKS)
    bench.finish(first, second)

    assert sent_by(bench, "Ciao") == homes(bench, first)
    assert sent_by(bench, "Ancora") == homes(bench, second)
    assert {batch.target for batch in bench.batches(first)} == {"1", "2", "3"}


def test_while_a_phone_is_stuck_its_people_move_to_their_next_one_and_come_back(bench_on_both: Installation) -> None:
    bench = bench_on_both
    stuck(bench, 2)
    first = bench.campaign(30, name="one", more=STICKS)
    for _ in range(3):  # without the tick that looks whether the phone works
        bench.send()
    stuck(bench, 2, is_so=False)
    bench.finish(first)
    second = bench.campaign(30, name="two", text="Ancora {{ first_name }}", more=STICKS)
    bench.finish(second)

    left = Ranking(["1", "3"])
    moved = {row.number: left.first(row.number) for row in bench.recipients(first)}
    assert sent_by(bench, "Ciao") == {
        phone: {number for number, by in moved.items() if by == phone} for phone in ("1", "3")
    }
    assert sent_by(bench, "Ancora") == homes(bench, second)
    assert set(bench.gateway.copies().values()) == {2}


def test_a_text_that_failed_on_a_phone_is_sent_again_by_it(bench: Installation) -> None:
    run_id = bench.campaign(6, more=STICKS + "follow: {retry_failed: {times: 1, after: 5m}}\n")
    bench.send()
    for message in bench.gateway.stored:
        message.status, message.result_code = "Failed", 4
    bench.until(lambda: len(bench.gateway.stored) == 12, within=timedelta(hours=1))

    assert sent_by(bench) == homes(bench, run_id)
    bench.finish(run_id)


def test_a_resend_keeps_the_phone(bench: Installation) -> None:
    run_id = bench.campaign(6, more=STICKS)
    bench.send()
    for message in bench.gateway.stored:
        message.status, message.result_code = "Failed", 4
    bench.until(lambda: bench.run(run_id).finished_at is not None)
    again = bench.resend(run_id)
    bench.finish(again)

    assert len(bench.gateway.stored) == 12
    assert sent_by(bench) == homes(bench, run_id)


def test_people_of_a_phone_without_room_go_by_their_next_one_and_then_nobody_is_left_out(
    bench_on_both: Installation,
) -> None:
    bench = limited(bench_on_both, 6)
    run_id = bench.campaign(18, per_request=20, more=STICKS)

    bench.pass_time(120)

    assert used(bench) == {"1": 6, "2": 6, "3": 6}
    assert len(bench.gateway.stored) == 18
    of_their_own = homes(bench, run_id)
    assert all(
        len(numbers & of_their_own[phone]) == min(6, len(of_their_own[phone]))
        for phone, numbers in sent_by(bench).items()
    )
    bench.finish(run_id)


def test_the_spent_budget_of_one_phone_leaves_the_people_of_the_others_alone(bench: Installation) -> None:
    bench = Installation(bench.folder, bench.store, bench.clock, bench.gateway, device_daily=4)
    run_id = bench.campaign(18, per_request=1, more=STICKS)

    bench.pass_time(120)

    assert Counter(message.device for message in bench.gateway.stored) == {
        phone: min(4, len(numbers)) for phone, numbers in homes(bench, run_id).items()
    }
    bench.finish_from_due_to_due(run_id)
    assert sent_by(bench) == homes(bench, run_id)
