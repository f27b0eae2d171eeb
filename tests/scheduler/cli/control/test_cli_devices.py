"""`devices`, and what `status` says about phones and failed texts."""

import json
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa
from sqlmodel import col
from typer.testing import Result

from tests.scheduler.cli.cli_world import put
from worker.store.engine import Store
from worker.store.models import Account, Attempt, Recipient, Run, StuckDevice

Cli = Callable[..., Result]
Planned = Callable[[str], tuple[Store, int]]
AT = datetime(2026, 12, 1, 9, 0, tzinfo=UTC)


def a_stuck_phone(store: Store, run_id: int) -> None:
    """Device 2 has failed a text, waits with another one, and counts as stuck."""
    put(store, run_id, "+393331000001", state="failed", gateway_id=1, device=2, sim=0, result_code=4, reason="no")
    put(store, run_id, "+393331000002", state="accepted", gateway_id=2, device=2, sim=0, accepted_at=AT)
    with store.write() as session:
        account = session.execute(sa.select(col(Account.id))).scalar_one()
        session.add(StuckDevice(account_id=account, device=2, waiting=1, oldest_at=AT, since=AT))
        session.execute(sa.update(Run).values(state="running", started_at=AT))


def test_without_texts_there_are_no_phones(run: Cli, planned: Planned) -> None:
    assert run("devices").stdout.startswith("no phone has been seen yet")
    planned("spring-sale")
    assert run("devices").stdout.startswith("no phone has been seen yet")


def test_phones_are_listed_with_what_they_did(run: Cli, planned: Planned) -> None:
    store, run_id = planned("spring-sale")
    put(store, run_id, "+393331000001", state="delivered", gateway_id=1, device=1, sent_at=AT, accepted_at=AT)
    put(store, run_id, "+393331000002", state="accepted", gateway_id=2, device=2, sim=0, accepted_at=AT)

    header, one, two = run("devices").stdout.splitlines()

    assert header.split() == ["device", "waiting", "sent", "failed", "last", "sent", "limit", "remarks"]
    assert one.split()[:4] == ["1", "0", "1", "0"]
    assert "2026-12-01 10:00" in one
    assert two.split() == ["2|0", "1", "0", "0", "30/minute"]


def test_a_stuck_phone_is_shown_by_devices_and_status_with_what_to_do(run: Cli, planned: Planned) -> None:
    a_stuck_phone(*planned("spring-sale"))

    shown = json.loads(run("devices", "--json").stdout)
    assert shown == {
        "device": 2, "sim": 0, "waiting": 1, "sent": 0, "failed": 1, "last_sent_at": None, "rate": "30/minute",
        "people": None, "people_monthly": None,
        "stuck": {"since": "2026-12-01T09:00:00Z", "oldest_at": "2026-12-01T09:00:00Z"},
    }  # fmt: skip
    for command in (["devices"], ["status"], ["status", "spring-sale"]):
        assert "phone 2 is stuck: 1 text waits there since Tue 2026-12-01 10:00" in run(*command).stdout


def test_with_a_budget_of_people_each_phone_says_how_many_it_texted_this_month(
    run: Cli, planned: Planned, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a text by phone 2, whose campaign named it without its SIM
    store, run_id = planned("spring-sale")
    put(store, run_id, "+393331000002", state="accepted", gateway_id=2, device=2, sim=0, accepted_at=AT)
    with store.write() as session:
        batch_id = session.scalars(sa.select(col(Recipient.batch_id)).filter_by(gateway_id=2)).one()
        attempt: dict[str, object] = {
            "run_id": run_id, "batch_id": batch_id, "number": 1, "state": "closed", "outcome": "accepted",
            "id_floor": 0, "payload_hash": "", "target": "2", "recipients": 1, "segments": 1, "checks": 0,
            "evidence": {}, **dict.fromkeys(("started_at", "send_by", "next_check_at"), datetime.now(UTC)),
        }  # fmt: skip
        session.execute(sa.insert(Attempt).values(**attempt))
    monkeypatch.setenv("CAMPAIGNS_DEVICE_PEOPLE_MONTHLY", "250")

    header, two = run("devices").stdout.splitlines()

    assert "people this month" in header
    assert "1 of 250" in two
    said = json.loads(run("devices", "--json").stdout)
    assert (said["people"], said["people_monthly"]) == (1, 250)
    assert "people_monthly" in run("throttle").stdout


def test_status_says_why_texts_failed_and_what_to_do(run: Cli, planned: Planned) -> None:
    a_stuck_phone(*planned("spring-sale"))

    assert "1 the phone has no service (phone 2): check where the phone is" in run("status", "spring-sale").stdout
