"""Without `read:numbers` nobody is shown what somebody wrote: planted everywhere, and looked for at every address."""

import json
import re

import pytest
import sqlalchemy as sa

from campaigns.access import Scope
from campaigns.lifecycle import RecipientState
from campaigns.optout import Meaning
from scheduler.replies.inbound import opt_outs_of
from scheduler.web.api.app import routes
from tests.scheduler.web.api.api_caller import Answer, Caller, Callers
from tests.scheduler.web.api.test_api_events import listening, next_news
from tests.scheduler.web.api.test_api_files import TABLE, YAML, put_table
from tests.store.store_world import NOW, World, people
from worker.runtime import Runtime
from worker.store.notifications.outbox import announce
from worker.store.people import suppressions
from worker.store.people.stored_replies import Incoming, replies_of, store_replies
from worker.store.tables import recipients

NUMBER = "+393330000007"
WHAT = ("text", "reply", "stop", "by-hand", "row", "sample", "variant-sample", "message")
TEXT, REPLY, STOP, BY_HAND, ROW, SAMPLE, VARIANT_SAMPLE, MESSAGE = PLANTED = tuple(f"Pl4nted-{what}" for what in WHAT)
HIDDEN = (*PLANTED, NUMBER, NUMBER[1:], "Pl4nted")

FILE = """\
campaign: {name}
{texts}
approval: true
audience:
  - file: customers.csv
    number: phone
"""
ONE = f"message: {SAMPLE}"
TWO = "variants:" + "".join(f"\n  - {{name: {name}, share: 50, message: {VARIANT_SAMPLE} {name}}}" for name in "ab")


@pytest.fixture(scope="module")
def run_id(world: World, admin: Caller) -> int:
    rows = [row._replace(number=NUMBER, text=TEXT) for row in people(1)]
    invalid = {"number": f"{ROW}, call me", "state": RecipientState.INVALID}
    rows += [row._replace(text=TEXT, **invalid) for row in people(1, first=1)]  # type: ignore[arg-type]  # as it has them
    made = world.run(rows, campaign="planted")
    world.sent(made)
    world.run([row._replace(text=TEXT, state=RecipientState.HELD) for row in rows[:1]], campaign="planted-and-held")
    with world.store.write() as session:
        said = ((1, REPLY, Meaning.REVIEW), (2, STOP, Meaning.STOP))
        wrote = [Incoming(id_, NUMBER, text, 1, 0, NOW, meaning) for id_, text, meaning in said]
        store_replies(session, world.account_id, wrote, came_by="poll", now=NOW)
        stops = [reply for reply in replies_of(session, [NUMBER]) if reply.meaning is Meaning.STOP]
        suppressions.suppress(session, opt_outs_of(stops), now=NOW)
        announce(session, "run.started", run_id=made, now=NOW)
    added = json.dumps({"numbers": ["+393330000555"], "reason": BY_HAND, "kind": "marketing"}).encode()
    assert admin.call("POST", "/suppressions", added, Content_Type="application/json").status == 200
    return made


@pytest.fixture(scope="module")
def message_id(admin: Caller) -> int:
    asked = json.dumps({"to": "+393330000444", "text": MESSAGE}).encode()
    sent = admin.call("POST", "/messages", asked, Content_Type="application/json", Idempotency_Key="of-an-admin")
    return int(sent.json["id"])


OF_OPERATORS = ("/audit", "/calls", "/doctor", "/processes")
"""What tells of the service, and of nobody who is sent to."""


def shown(caller: Caller, run_id: int, message_id: int) -> dict[str, bytes]:
    """What every address answers that can be read, in every form."""
    given = {"name": "planted", "run": str(run_id), "number": "%2B" + NUMBER[1:]}
    given |= {"id": str(message_id), "reply": str(caller.get("/replies").json["items"][0]["id"])}
    paths = [route.path for route in routes() if "GET" in (route.methods or ())]
    found = {}
    for path in [*paths, "/replies?waiting=true", "/campaigns/planted-and-held", "/people/" + ROW + "%2C%20call%20me"]:
        address = re.sub(r"\{(\w+)\}", lambda match: given[match[1]], path)
        for accept in ("application/json", "application/x-ndjson", "text/csv"):
            if path != "/events":
                answer = caller.get(address, Accept=accept)
                found[f"{address} as {accept}"] = answer.body
                # A second gateway was used, because the world has one of its own.
                expected = {"/limits": 404, **dict.fromkeys(OF_OPERATORS, 403)}.get(path, 200)
                assert answer.status == expected, (address, answer.body)
    with listening(caller, Last_Event_ID="0") as response:
        found["/events"] = json.dumps(next_news(response)).encode()
    return found


def test_no_address_shows_what_somebody_wrote(run_id: int, message_id: int, reader: Caller, operator: Caller) -> None:
    for address, body in shown(reader, run_id, message_id).items():
        assert not [word for word in HIDDEN if word.encode() in body], address
    whole = b"".join(shown(operator, run_id, message_id).values())
    assert [word for word in (TEXT, REPLY, STOP, BY_HAND, ROW, MESSAGE, NUMBER) if word.encode() not in whole] == []


@pytest.mark.parametrize("texts", [ONE, TWO])
def test_no_answer_about_a_file_shows_its_texts(callers: Callers, texts: str) -> None:
    """A dry run has samples, also of each variant."""
    author = callers.with_scopes(Scope.READ, Scope.SUBMIT)
    trusted = callers.with_scopes(Scope.READ, Scope.SUBMIT, Scope.READ_NUMBERS)
    put_table(author, "customers.csv", TABLE)
    name = "samples" if texts is ONE else "variant-samples"
    content = FILE.format(name=name, texts=texts).encode()
    for caller, is_shown in ((author, False), (trusted, True)):
        seen = caller.call("PUT", f"/campaigns/{name}?dry_run=true", content, Content_Type=YAML)
        assert (seen.status, b"Pl4nted" in seen.body) == (200, is_shown), seen.body
    done = author.call("PUT", f"/campaigns/{name}", content, Content_Type=YAML)
    assert (done.status, b"Pl4nted" in done.body) == (200, False), done.body
    assert b"Pl4nted" not in author.get(f"/campaigns/{name}/plan").body


def test_a_single_text_is_answered_without_it(callers: Callers, api_runtime: Runtime) -> None:
    asked = json.dumps({"to": "+393331234567", "text": MESSAGE}).encode()
    for scopes, is_shown in (((Scope.SUBMIT,), False), ((Scope.SUBMIT, Scope.READ_NUMBERS), True)):
        caller = callers.with_scopes(*scopes)
        sent = caller.call("POST", "/messages", asked, Content_Type="application/json", Idempotency_Key="planted")
        assert (sent.status, MESSAGE.encode() in sent.body, b"+393331234567" in sent.body) == (202, is_shown, is_shown)


def test_a_single_text_asked_for_again_has_the_answer_of_the_first_time(
    callers: Callers, api_runtime: Runtime, world: World
) -> None:
    caller = callers.with_scopes(Scope.SUBMIT, Scope.READ)
    asked = json.dumps({"to": "+393331234599", "text": MESSAGE}).encode()

    def call() -> Answer:
        return caller.call("POST", "/messages", asked, Content_Type="application/json", Idempotency_Key="again")

    first, again = call(), call()
    with world.store.write() as session:
        mine = sa.update(recipients).where(recipients.c.id == first.json["id"])
        session.execute(mine.values(state=RecipientState.ACCEPTED, gateway_id=987_654, attempts=1))
    later, now = call(), caller.get(f"/messages/{first.json['id']}").json
    assert {answer.body for answer in (again, later)} == {first.body}
    assert [answer.status for answer in (first, again, later)] == [202] * 3
    replayed = [answer.headers.get("idempotency-replayed") for answer in (first, again, later)]
    assert replayed == [None, "true", "true"]
    assert len({answer.headers["location"] for answer in (first, again, later)}) == 1
    assert (first.json["state"], now["state"]) == ("pending", "accepted")
