"""What programs do to campaigns: the answers of the commands, and each call once."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from campaigns.lifecycle import RecipientState, RunState
from campaigns.optout import Meaning
from scheduler.ticks.retention import ForgetTick
from tests.scheduler.web.api.api_caller import Answer, Caller
from tests.store.store_world import NOW, World, people
from worker.runtime import Runtime
from worker.store.people.stored_replies import Incoming, store_replies
from worker.store.tables import audit_entries, campaigns, idempotent_calls, recipients, runs

JSON = "application/json"
SALE = "/campaigns/spring-sale"
NUMBERS = b'{"numbers": ["+39 333 000 0901"], "reason": "by phone"}'


@pytest.fixture(scope="module")
def run_id(world: World) -> int:
    return world.run(people(6))


@pytest.fixture
def running(world: World, run_id: int) -> int:
    """The campaign, and nothing done to it."""
    world.set_run(run_id, state=RunState.RUNNING, paused_by="")
    return run_id


def post(caller: Caller, path: str, body: bytes | None = None, **headers: str) -> Answer:
    return caller.call("POST", path, body, **({"Content_Type": JSON} if body else {}), **headers)


def audited(runtime: Runtime) -> list[str]:
    """What the audit says was done, in order."""
    with runtime.store.read() as session:
        return list(session.scalars(sa.select(audit_entries.c.action).order_by(audit_entries.c.id)))


def test_a_campaign_is_paused_and_resumed_and_cancelled(running: int, admin: Caller) -> None:
    paused = {"campaign": "spring-sale", "run": running, "state": "paused", "in_flight": []}
    assert post(admin, f"{SALE}/pause").json == paused
    post(admin, f"{SALE}/pause").problem(409, "wrong_state")
    resumed = {"campaign": "spring-sale", "run": running, "state": "running", "account": None}
    assert post(admin, f"{SALE}/resume", b"{}").json == resumed
    cancelled = post(admin, f"{SALE}/cancel").json
    assert (cancelled["state"], cancelled["unsent"], cancelled["in_flight"]) == ("cancelled", 6, [])


def test_a_key_has_one_answer(running: int, admin: Caller, api_runtime: Runtime) -> None:
    before = audited(api_runtime)
    first = post(admin, f"{SALE}/pause", Idempotency_Key="one")
    again = post(admin, f"{SALE}/pause", Idempotency_Key="one")
    assert (first.status, again.status, first.body) == (200, 200, again.body)
    assert ("idempotency-replayed" in first.headers, again.headers["idempotency-replayed"]) == (False, "true")
    post(admin, f"{SALE}/resume", Idempotency_Key="one").problem(422, "key_reused")
    post(admin, f"{SALE}/pause", b"{}", Idempotency_Key="one").problem(422, "key_reused")
    assert audited(api_runtime)[len(before) :] == ["pause"]


def test_a_call_that_was_refused_leaves_its_key_free(running: int, admin: Caller, world: World) -> None:
    world.set_run(running, state=RunState.COMPLETED)
    post(admin, f"{SALE}/pause", Idempotency_Key="two").problem(409, "wrong_state")
    world.set_run(running, state=RunState.RUNNING)
    assert post(admin, f"{SALE}/pause", Idempotency_Key="two").status == 200


def test_fifty_calls_at_once_with_one_key_have_one_effect_and_one_answer(admin: Caller, api_runtime: Runtime) -> None:
    before = audited(api_runtime)
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda _: post(admin, "/suppressions", NUMBERS, Idempotency_Key="fifty"), range(50)))
    assert {(each.status, each.body) for each in answers} == {(200, b'{"added":1,"unchanged":0}')}
    assert audited(api_runtime)[len(before) :] == ["suppress"]


@pytest.mark.parametrize("key", ["", "a b", "a" * 256, "\x01"])
def test_what_cannot_be_a_key_is_refused(admin: Caller, key: str) -> None:
    post(admin, "/suppressions", NUMBERS, Idempotency_Key=key).problem(422, "invalid")


def test_calls_are_forgotten_after_a_day(admin: Caller, api_runtime: Runtime) -> None:
    post(admin, "/suppressions", NUMBERS, Idempotency_Key="old")
    now = api_runtime.clock.now()
    for later, left in ((timedelta(hours=23), True), (timedelta(hours=25), False)):
        ForgetTick()(api_runtime, now + later)
        with api_runtime.store.read() as session:
            assert (session.scalar(sa.select(sa.func.count()).select_from(idempotent_calls)) != 0) == left


def test_opt_outs_are_added_and_removed(admin: Caller) -> None:
    number = b'{"numbers": ["333 000 0902"], "kind": "marketing"}'
    assert post(admin, "/suppressions", number).json == {"added": 1, "unchanged": 0}
    assert post(admin, "/suppressions", number).json == {"added": 0, "unchanged": 1}
    assert post(admin, "/suppressions", b'{"numbers": ["0039 333 0000902"], "kind": "marketing"}').json["added"] == 0
    assert admin.get("/suppressions?limit=1000").json["items"][-1]["source"] == "api"
    assert admin.call("DELETE", "/suppressions?number=00393330000902").json == {"removed": 1, "unchanged": 0}
    assert admin.call("DELETE", "/suppressions?number=%2B393330000902").json == {"removed": 0, "unchanged": 1}


def test_people_are_erased_by_admins(world: World, admin: Caller, operator: Caller) -> None:
    run_id = world.run(people(2, first=8_800), campaign="to-forget", state=RunState.SCHEDULED)
    asked = b'{"numbers": ["0039 333 0008800", "+39 333 0099999"]}'
    post(operator, "/people/erase", asked).problem(403, "not_allowed")
    done = {"erased": 1, "unknown": 1, "cancelled": 1, "waits": 0, "waiting": [], "files": [], "wiped": True}
    assert post(admin, "/people/erase", asked).json == done
    assert [row.number[0] for row in world.recipients(run_id)] == ["#", "+"]
    assert post(admin, "/people/erase", asked).json == done | {"erased": 0, "unknown": 2, "cancelled": 0}


def test_a_reply_is_reviewed_once(world: World, admin: Caller, api_runtime: Runtime) -> None:
    with world.store.write() as session:
        reply = Incoming(77, "+393330000903", "no more?", 1, 0, NOW, Meaning.REVIEW)
        store_replies(session, api_runtime.account_id, [reply], came_by="poll", now=NOW)
    (waiting,) = admin.get("/replies?waiting=true").json["items"]
    path = f"/replies/{waiting['id']}/review"
    assert post(admin, path, b'{"decision": "opt-out"}', Idempotency_Key="r").json == {"opted_out": 1, "unchanged": 0}
    assert post(admin, path, b'{"decision": "opt-out"}', Idempotency_Key="r").json == {"opted_out": 1, "unchanged": 0}
    assert post(admin, path, b'{"decision": "keep"}').status in {404, 409}


def test_limits_are_changed_and_answered(running: int, admin: Caller) -> None:
    changed = post(admin, f"{SALE}/throttle", b'{"rate": "30/minute", "daily": 500, "weight": 3}').json["items"]
    assert {(each["limit"], each["value"]) for each in changed} >= {("rate", "30/minute")}
    assert post(admin, f"{SALE}/throttle", b'{"clear": true}').json == {"items": []}
    assert post(admin, "/limits", b'{"device": "2|0", "rate": "5/minute"}').status in {200, 404}


def test_held_texts_are_resolved(world: World, admin: Caller) -> None:
    run = world.run(people(2, first=40, state=RecipientState.HELD), campaign="held-sale")
    path = "/campaigns/held-sale/resolve"
    done = post(admin, path, b'{"as": "sent"}', Idempotency_Key="resolved")
    assert (done.json["run"], done.json["as"], done.json["people"]) == (run, "sent", 2)
    assert post(admin, path, b'{"as": "sent"}', Idempotency_Key="resolved").body == done.body
    post(admin, path, b'{"as": "sent"}').problem(409, "wrong_state")


def test_nobody_is_sent_to_again_if_nothing_failed(world: World, admin: Caller) -> None:
    run = world.run(people(2, first=60), campaign="resent")
    with world.store.write() as session:  # as the runtime of the door
        session.execute(sa.update(campaigns).where(campaigns.c.slug == "resent").values(rehearsal=True))
    said = post(admin, "/campaigns/resent/resend", b'{"only": "failed"}').json
    assert said == {
        "campaign": "resent",
        "run": None,
        "only": "failed",
        "parent": run,
        "people": 0,
        "failures": [],
    }


def test_the_text_goes_once_more_to_who_did_not_reply(world: World, admin: Caller, api_runtime: Runtime) -> None:
    run = world.run(people(3, first=80, state=RecipientState.DELIVERED), campaign="unanswered")
    mine = campaigns.c.slug == "unanswered"
    with world.store.write() as session:  # as the runtime of the door; its texts were handed over a day ago
        session.execute(sa.update(campaigns).where(mine).values(rehearsal=True))
        of_run = recipients.c.run_id == run
        session.execute(sa.update(recipients).where(of_run).values(accepted_at=api_runtime.clock.now()))
    path = "/campaigns/unanswered/resend"
    post(admin, path, b'{"only": "no-reply"}').problem(409, "wrong_state")
    with world.store.write() as session:
        session.execute(sa.update(runs).where(runs.c.id == run).values(sent_at=api_runtime.clock.now()))
    dry = post(admin, path, b'{"only": "no-reply", "dry_run": true}').json
    assert dry == {
        "campaign": "unanswered", "run": None, "only": "no-reply", "parent": run, "people": 3, "left_out": [],
    }  # fmt: skip
    done = post(admin, path, b'{"only": "no-reply"}', Idempotency_Key="again")
    assert (done.json["people"], done.json["run"] > run) == (3, True)
    assert post(admin, path, b'{"only": "no-reply"}', Idempotency_Key="again").body == done.body
    late = post(admin, path, b'{"only": "no-reply"}').json
    assert (late["run"], [each["cause"] for each in late["left_out"]]) == (None, ["later_text"])
    shown = admin.call("GET", "/campaigns/unanswered").json
    assert [(step["run"], step["step"]) for step in shown["steps"]] == [(done.json["run"], "no-reply:1")]


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        (f"{SALE}/throttle", b"{}", 422, "invalid"),
        (f"{SALE}/throttle", b'{"rate": "fast"}', 422, "invalid"),
        (f"{SALE}/throttle", b'{"rat": "1/minute"}', 422, "invalid"),
        (f"{SALE}/throttle", b'{"rate": "1/minute", "clear": true}', 422, "invalid"),
        ("/campaigns/nobody/pause", None, 404, "unknown_campaign"),
        ("/limits", b'{"rate": "1/minute"}', 422, "invalid"),
        ("/limits", b'{"rate": "1/minute", "account": true, "device": "1"}', 422, "invalid"),
        ("/suppressions", b'{"numbers": []}', 422, "invalid"),
        ("/suppressions", b'{"numbers": ["12"]}', 422, "invalid"),
        ("/suppressions", b'{"numbers": ["+393330000901"], "kind": "spam"}', 422, "invalid"),
        ("/suppressions", b'["+393330000901"', 422, "invalid"),
        ("/suppressions", b"\xff\xfe", 422, "invalid"),
        ("/replies/123456/review", b'{"decision": "keep"}', 404, "unknown_reply"),
        (f"{SALE}/resolve", b'{"as": "perhaps"}', 422, "invalid"),
        (f"{SALE}/resend", b'{"only": "all"}', 422, "invalid"),
        (f"{SALE}/approve", None, 428, "no_condition"),
    ],
)
def test_what_cannot_be_done_changes_nothing(
    running: int, admin: Caller, api_runtime: Runtime, path: str, body: bytes | None, status: int, code: str
) -> None:
    before = audited(api_runtime)
    answer: Any = post(admin, path, body)
    answer.problem(status, code)
    assert b"+3933300" not in answer.body
    assert audited(api_runtime) == before


def test_a_reply_is_answered_once_by_one_key(world: World, admin: Caller, api_runtime: Runtime) -> None:
    with world.store.write() as session:
        said = [Incoming(4_711, "+393330000777", "When do you open?", 1, 0, NOW, Meaning.REPLY)]
        (reply,) = store_replies(session, world.account_id, said, came_by="poll", now=NOW)
    path, body = f"/replies/{reply.id}/answer", b'{"text": "At nine."}'
    first, again = (post(admin, path, body, Idempotency_Key="answer") for _ in range(2))
    assert (first.status, first.body) == (200, again.body)
    assert (first.json["reply"], first.json["answer"]) == (reply.id, 1)
    assert "answered reply" in post(admin, path, body).problem(409, "answered")
    assert post(admin, path, b'{"text": "And at two.", "seen": 1}').json["answer"] == 2
    seen = admin.get(f"/replies/{reply.id}").json
    assert [each["text"] for each in seen["answers"]] == ["At nine.", "And at two."]
    assert [line["text"] for line in seen["lines"]] == ["When do you open?", "At nine.", "And at two."]
    post(admin, "/replies/999999/answer", body).problem(404, "unknown_reply")


def test_what_is_done_for_many_needs_the_plan_of_an_earlier_answer(world: World, admin: Caller) -> None:
    run_id = world.run(people(4, first=600, state=RecipientState.HELD), campaign="for-many", per_request=2)
    world.set_batches(run_id, state="held")
    path = "/campaigns/for-many/people"
    plan = post(admin, path, b'{"do": "sent", "state": "held"}').json
    assert (plan["done"], plan["people"], plan["left_out"], plan["run"]) == (False, 4, [], run_id)
    assert world.states(run_id) == {RecipientState.HELD: 4}
    other = b'{"do": "not-sent", "state": "held", "plan": "%s"}' % plan["plan"].encode()
    post(admin, path, other).problem(412, "other_plan")
    act = b'{"do": "sent", "state": "held", "plan": "%s"}' % plan["plan"].encode()
    done, again = (post(admin, path, act, Idempotency_Key="many") for _ in range(2))
    assert (done.json["done"], done.json["people"], again.body) == (True, 4, done.body)
    assert world.states(run_id) == {RecipientState.ACCEPTED: 4}
    assert len(admin.get("/campaigns/for-many/recipients?reply=none").json["items"]) == 4
    assert admin.get("/campaigns/for-many/recipients?reply=help").json["items"] == []
