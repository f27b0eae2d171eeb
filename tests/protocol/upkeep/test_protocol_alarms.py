"""What must not happen is reported; people whom the gateway cannot take; a restored database."""

import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from campaigns.lifecycle import BatchState, RecipientState, RunState
from campaigns.sending.auto_pause import FAILURES_IN_A_ROW, REFUSALS_AT_LEAST
from scheduler.recover import RecoveryFailed, recover
from scheduler.ticks.following.late_acceptances import WatchTick
from tests.protocol.world.harness import SETTLE, SETTLED, Installation, exactly_once
from tests.protocol.world.scripted_gateway import LOST, STORED, Answers, Reads, Send, Stores
from worker.marker import FileMarker, read_mark
from worker.servers.durability import require_durable
from worker.settings.settings import SettingsError, load_settings
from worker.store.engine import Store
from worker.store.errors import StoreError
from worker.store.sending import accounts
from worker.store.sending.queue import DOUBTS_PER_ACCOUNT


def test_a_request_that_arrives_long_after_it_was_taken_for_lost_raises_an_alarm(known: Installation) -> None:
    # given a request that was believed lost, and sent again
    known.gateway.script.append(LOST)
    run_id = known.campaign(3)
    known.finish(run_id)
    assert exactly_once(known, 1, run_id)

    # when its messages turn up after all
    known.gateway.store([(row.number, row.text) for row in known.recipients(run_id)])
    known.pass_time(timedelta(minutes=20), step=30)

    # then it is reported, and nothing more is sent
    assert "late_acceptance" in known.events()
    assert "twice" in known.paused_because()
    another = known.campaign(2, name="next", first=50)
    known.pass_time(timedelta(minutes=5), step=30)
    assert known.states(another) == {RecipientState.PENDING: 2}


def test_nothing_is_raised_where_nothing_turns_up(known: Installation) -> None:
    known.gateway.script.append(LOST)
    run_id = known.campaign(3)
    known.finish(run_id)

    known.pass_time(timedelta(hours=2), step=120)

    assert "late_acceptance" not in known.events()
    assert known.paused_because() == ""


def test_what_is_sent_again_while_it_is_looked_for_is_no_alarm(known: Installation) -> None:
    # given a request that was believed lost, whose people are next
    known.gateway.script.append(LOST)
    run_id = known.campaign(3)
    known.until(lambda: known.states(run_id) == {RecipientState.IN_DOUBT: 3})
    known.until(lambda: known.states(run_id) == {RecipientState.PENDING: 3})
    known.clock.advance((known.batches(run_id)[0].not_before - known.clock.now()).total_seconds())

    # when they are sent to while the gateway is asked once more, and the reply is lost
    known.gateway.script.append(STORED)
    known.gateway.before_read = known.send
    watched = WatchTick()(known.runtime, known.clock.now() + timedelta(hours=1))

    # then their texts are not mistaken for those of the first request
    assert watched == {"watched": 1, "late": 0}
    known.finish(run_id)
    assert exactly_once(known, 1, run_id)
    assert known.paused_because() == ""


def test_whom_a_later_reply_leaves_out_is_no_alarm(known: Installation) -> None:
    # given a request that was believed lost; when it is sent again, the reply leaves out somebody who does have the
    # text
    known.gateway.script += [LOST, Send(Answers.HIDDEN)]
    run_id = known.campaign(3)
    known.finish(run_id)
    assert known.states(run_id) == {RecipientState.DELIVERED: 2, RecipientState.FAILED: 1}
    assert set(known.gateway.copies().values()) == {1}

    # when the look for the first request continues
    known.pass_time(timedelta(minutes=20), step=30)

    # then that text is not mistaken for one of it
    assert "late_acceptance" not in known.events()
    assert known.paused_because() == ""


def test_the_texts_of_a_resend_in_doubt_are_no_alarm(known: Installation) -> None:
    # given a request that was believed lost; when it is sent again, its texts fail on the phone
    known.gateway.script.append(LOST)
    run_id = known.campaign(3)
    known.until(lambda: len(known.gateway.copies()) >= 3)
    for message in known.gateway.stored[-3:]:
        message.status, message.result_code = "Failed", 4
    known.until(lambda: known.run(run_id).finished_at is not None)
    assert known.states(run_id) == {RecipientState.FAILED: 3}

    # when the reply to a `resend` is lost, and the first request is looked for before that is cleared up
    known.gateway.script.append(STORED)
    again = known.resend(run_id)
    known.send()
    assert known.states(again) == {RecipientState.IN_DOUBT: 3}
    watched = WatchTick()(known.runtime, known.clock.now() + timedelta(hours=1))

    # then its texts are not mistaken for those of the first request
    assert watched == {"watched": 1, "late": 0}


@pytest.mark.parametrize("size", [2, 7, 16])
def test_whom_the_gateway_cannot_take_is_found_by_halving(known: Installation, size: int) -> None:
    run_id = known.campaign(size, per_request=20)
    bad = known.recipients(run_id)[size // 2].number
    known.gateway.poison.add(bad)
    before = len(known.gateway.sends)

    known.finish(run_id)

    states = known.states(run_id)
    assert states == {RecipientState.DELIVERED: size - 1, RecipientState.FAILED: 1}
    assert bad not in known.gateway.copies()
    assert set(known.gateway.copies().values()) == {1}
    assert len(known.gateway.sends) - before <= 2 * size.bit_length() + 1
    assert known.run(run_id).state is RunState.COMPLETED
    assert BatchState.REFUSED in {batch.state for batch in known.batches(run_id)}


def test_a_campaign_that_is_refused_too_often_pauses_itself(known: Installation) -> None:
    run_id = known.campaign(REFUSALS_AT_LEAST + 10, per_request=1)
    known.gateway.poison.update(row.number for row in known.recipients(run_id))

    known.pass_time(SETTLED * 10)

    run = known.run(run_id)
    assert run.state is RunState.PAUSED
    assert "refused 10 of 20" in run.reason
    # who was in doubt at that moment is still looked up
    assert REFUSALS_AT_LEAST <= known.states(run_id)[RecipientState.FAILED] < REFUSALS_AT_LEAST + DOUBTS_PER_ACCOUNT


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (Answers.CODE_500, "=account or =refused; then resume"),
        (Answers.HTTP_500, "it answered with HTTP 500; check what is wrong with the gateway, then resume"),
    ],
)
def test_a_campaign_whose_requests_all_fail_without_a_known_reason_pauses_itself(
    known: Installation, answer: Answers, told: str
) -> None:
    # given a gateway that refuses everything, with words that nobody declared, or none
    known.gateway.usual = Send(answer, Stores.NONE)
    before = len(known.gateway.sends)
    run_id = known.campaign(60, per_request=2)

    # when that is proven for a few requests
    known.until(lambda: known.run(run_id).state is RunState.PAUSED)
    known.pass_time(SETTLED)

    # then the others wait for a person, instead of being tried and held one after another
    reason = known.run(run_id).reason
    assert reason.startswith(f"the last {FAILURES_IN_A_ROW} requests failed, and the gateway stored nothing from them")
    assert reason.endswith(told)
    assert "\u201c" not in reason  # what the gateway said may quote a text: only `held` shows it
    assert '"' not in reason
    assert RecipientState.HELD not in known.states(run_id)
    assert len(known.gateway.sends) - before <= FAILURES_IN_A_ROW + DOUBTS_PER_ACCOUNT

    # and once it accepts texts again, all of them are sent
    known.gateway.usual = Send()
    known.resume(run_id)
    known.finish(run_id)
    assert exactly_once(known, 1, run_id)
    assert known.states(run_id) == {RecipientState.DELIVERED: 60}


@pytest.mark.long
def test_a_request_that_fails_now_and_then_pauses_nothing(known: Installation) -> None:
    failing = Send(Answers.CODE_500, Stores.NONE)
    known.gateway.script.extend([*[failing] * (FAILURES_IN_A_ROW - 1), Send()] * 3)
    run_id = known.campaign(40, per_request=2)

    known.finish(run_id)

    assert known.states(run_id) == {RecipientState.DELIVERED: 40}
    assert exactly_once(known, 1, run_id)


def forget(bench: Installation, run_id: int) -> None:
    """Restore a backup that was made before the run was sent: nothing of it has happened."""
    with bench.store.write() as session:
        connection = session.connection()
        connection.exec_driver_sql("DELETE FROM attempt WHERE run_id = ?", (run_id,))
        connection.exec_driver_sql("DELETE FROM message_group WHERE run_id = ?", (run_id,))
        connection.exec_driver_sql(
            "UPDATE recipient SET state = 'pending', gateway_id = NULL, message_group_id = NULL, accepted_at = NULL"
            ", attempts = 0 WHERE run_id = ? AND batch_id IS NOT NULL",
            (run_id,),
        )
        connection.exec_driver_sql("UPDATE batch SET state = 'planned', attempt = 0 WHERE run_id = ?", (run_id,))
        connection.exec_driver_sql("UPDATE run SET state = 'running', finished_at = NULL WHERE id = ?", (run_id,))
        connection.exec_driver_sql("UPDATE account SET highest_gateway_id = 1001")
        accounts.quarantine(session, bench.runtime.account_id, now=bench.clock.now())


def test_a_restored_database_sends_nothing_before_it_has_asked_the_gateway(known: Installation) -> None:
    # given a campaign of which half was sent before the restore
    run_id = known.campaign(6, per_request=3)
    known.finish(run_id)
    sent = known.gateway.stored[4:]
    del known.gateway.stored[4:]
    assert len(sent) == 3
    forget(known, run_id)
    known.pass_time(SETTLE)
    assert known.states(run_id) == {RecipientState.PENDING: 6}

    # when it is recovered
    found = recover(known.runtime, known.clock.now())

    # then what the gateway has is known, the rest is sent, and nobody has two
    assert (found.unknown, found.attributed, found.was_quarantined) == (3, 3, True)
    known.finish(run_id)
    assert exactly_once(known, 1, run_id)


def test_a_recovery_that_cannot_read_concludes_nothing(known: Installation) -> None:
    run_id = known.campaign(3)
    known.finish(run_id)
    forget(known, run_id)
    known.gateway.reads = Reads.FAILING

    with pytest.raises(RecoveryFailed):
        recover(known.runtime, known.clock.now())

    known.pass_time(SETTLE)
    assert known.states(run_id) == {RecipientState.PENDING: 3}


def test_messages_of_somebody_else_do_not_become_ours_in_a_recovery(known: Installation) -> None:
    run_id = known.campaign(2)
    known.gateway.store([("+393339999999", "Ciao"), (known.recipients(run_id)[0].number, "Another text")])
    with known.store.write() as session:
        accounts.quarantine(session, known.runtime.account_id, now=known.clock.now())

    found = recover(known.runtime, known.clock.now())

    assert (found.unknown, found.attributed) == (2, 0)


def test_a_doubt_is_counted_once_in_the_floor_of_the_next_request(known: Installation) -> None:
    known.gateway.script.append(STORED)
    first = known.campaign(3)
    known.finish(first)
    second = known.campaign(3, name="next", first=10)
    known.finish(second)

    assert known.attempts(second)[0].id_floor == max(row.gateway_id or 0 for row in known.recipients(first))


def test_the_mark_beside_a_database_only_moves_up(tmp_path: Path) -> None:
    marker = FileMarker(tmp_path / "mark")
    marker.advance(7)
    marker.advance(3)
    assert (marker.read(), FileMarker(tmp_path / "mark").read()) == (7, 7)

    marker.reset(2)
    assert FileMarker(tmp_path / "mark").read() == 2


@pytest.mark.parametrize(
    ("mark", "of", "expected"),
    [
        (0, "", False), (0, "another", False), (3, "this", False), (3, "", False), (4, "this", True),
        (3, "another", True),
    ],
)  # fmt: skip
def test_a_mark_tells_a_database_that_forgot_or_is_another_one(
    tmp_path: Path, mark: int, of: str, expected: bool
) -> None:
    marker = FileMarker(tmp_path / "mark")
    marker.adopt(of)
    marker.reset(mark)

    assert read_mark(FileMarker(tmp_path / "mark")).is_ahead(installation="this", last_attempt_id=3) is expected


def test_an_attempt_that_others_make_while_a_process_starts_was_not_forgotten(
    tmp_path: Path, bench_on_both: Installation
) -> None:
    # given a process that starts, and reads the mark
    marker = FileMarker(tmp_path / "mark")
    bench_on_both.campaign(2, per_request=1)
    mark = read_mark(marker)

    # when another one sends before it asks the database
    bench_on_both.send()
    with bench_on_both.store.read() as session:
        last = accounts.last_attempt_id(session)
    marker.advance(last)

    # then the database is not behind; a mark that is read last would say so of what comes next
    assert not mark.is_ahead(installation="", last_attempt_id=last)
    assert read_mark(marker).is_ahead(installation="", last_attempt_id=last - 1)


def test_a_mark_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    marker = FileMarker(tmp_path / "folder" / "mark")

    marker.advance(7)

    assert marker.read() == 0
    shutil.rmtree(tmp_path)


def test_a_database_that_may_lose_commits_is_refused(postgres_url: str, tmp_path: Path) -> None:
    (tmp_path / "campaigns.db").touch()
    safe = Store(f"sqlite:///{tmp_path}/campaigns.db")
    require_durable(safe)
    safe.close()

    unsafe = Store(f"{postgres_url}?options=-csynchronous_commit%3Doff")
    with pytest.raises(StoreError, match="synchronous_commit"):
        require_durable(unsafe)
    unsafe.close()


def test_error_texts_can_be_declared_by_their_fingerprint() -> None:
    settings = load_settings(_env_file=None, error_texts="3f0c9a1b2c3d=refused, 000000000000 = account")

    assert settings.error_texts == {"3f0c9a1b2c3d": "refused", "000000000000": "account"}
    assert not settings.texts_for_nothing


@pytest.mark.parametrize("wrong", ["refused", "3f0c9a1b2c3d=accepted", "3f0c9a1b2c3d=not_sent", "xyz=refused"])
def test_an_error_text_can_never_be_declared_to_mean_a_success(wrong: str) -> None:
    with pytest.raises(SettingsError, match="CAMPAIGNS_ERROR_TEXTS"):
        load_settings(_env_file=None, error_texts=wrong)
