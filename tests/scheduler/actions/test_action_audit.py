"""What is done is audited: by whom, on what, with which plan; if and only if something changed."""

import ast
import json
import re
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Final

import pytest
import sqlalchemy as sa
from sqlmodel import col

import scheduler.actions
import worker
from campaigns.access import INBOX, SCHEDULER, Actor, ActorKind, Role, Scope
from campaigns.codes import PausedBy
from campaigns.lifecycle import BatchState, RecipientState
from campaigns.protocol.declarations import Declared
from scheduler.actions import approving, control, resolving, submitting, throttling
from scheduler.actions.access import signing_in, tokens, users
from scheduler.actions.acting import acting, joined
from scheduler.actions.reading.audit import ACTIONS, audit_json, check_audit, read_audit
from scheduler.actions.suppressing import opt_outs
from scheduler.actions.texts import test_message
from scheduler.actions.upkeep import migrating
from scheduler.inbox.removals import cancel_unsent
from scheduler.intake.taking import read_file, take_up
from tests.protocol.world.upgrade_world import Old
from tests.scheduler.actions.actions_world import ANNA, CAMPAIGN
from worker.runtime import Runtime
from worker.settings.settings import load_settings
from worker.store.audit import Audited
from worker.store.engine import Store
from worker.store.models import Batch, Recipient, Run
from worker.store.runs.runs import pause_run

NUMBER: Final = "+393331000001"
INBOX_FOLDER: Final = Path("inbox")
TEXT: Final = "Our spring sale starts today."
PACKAGES: Final = (Path(scheduler.__file__).parent, Path(worker.__file__).parent)
SOURCES: Final = sorted(Path(scheduler.actions.__file__).parent.rglob("*.py"))


def entries(store: Store, **wanted: Any) -> list[Audited]:
    """The oldest first."""
    return list(read_audit(store, limit=1_000, **wanted).rows)[::-1]


def did(store: Store) -> list[str]:
    return [entry.action for entry in entries(store)]


def functions() -> Iterator[tuple[str, ast.FunctionDef]]:
    for path in SOURCES:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef):
                yield f"{path.stem}.{node.name}", node


def takes_actor(node: ast.FunctionDef) -> bool:
    return any(argument.arg == "actor" for argument in node.args.args)


def called(node: ast.AST) -> set[str]:
    """The last names of what is called in a function; of `write` only a store's."""
    calls = [each.func for each in ast.walk(node) if isinstance(each, ast.Call)]
    files = [call for call in calls if isinstance(call, ast.Attribute) and call.attr == "write" and not_store(call)]
    return {getattr(call, "attr", getattr(call, "id", "")) for call in calls if call not in files}


def not_store(call: ast.Attribute) -> bool:
    return getattr(call.value, "attr", getattr(call.value, "id", "")) != "store"


TELLS: Final = {"notifying.tell_test"}
"""It sends a test notification, and changes nothing."""

MACHINERY: Final = {"acting.asked_by", "acting.acting", "messages.plan_text"}

ONLY_NOTES: Final = {
    "acting._transaction",  # the transaction of `acting`
    "once.make_once",  # stores the answer of an action, which has its own entry
    "callers.by_token",  # when a token was last used
    "callers.by_session",  # when a session was last used
    "resending._ask_about",  # receipts that the gateway shows, as a tick stores them
}
"""Everything else that writes to the database leads to an entry."""


def test_each_action_is_audited_or_reads() -> None:
    # given every function, and what it calls of its own module
    known = dict(functions())
    # All but the first two get who asks, or what to note.
    audits = {"acting", "append", "take_up", "submit", "bring_up_to_date", "submit_upload", "keep_table"}

    def leads_to(name: str, wanted: set[str], seen: frozenset[str] = frozenset()) -> bool:
        within = called(known[name])
        own = {f"{name.split('.')[0]}.{each}" for each in within} & known.keys() - seen
        return bool(within & wanted) or any(leads_to(each, wanted, seen | {name}) for each in own)

    # when
    asked = {name for name, node in known.items() if takes_actor(node) and "._" not in name} - MACHINERY
    writing = {name for name, node in known.items() if "write" in called(node)}
    # then
    assert {name for name in asked if not leads_to(name, audits)} == TELLS
    assert {name for name in writing if not leads_to(name, audits)} == ONLY_NOTES
    assert {*actions_named()} == ACTIONS - {"submit"}
    assert len(asked) >= 16


def actions_named() -> Iterator[str]:
    """The names of all actions that are written to the audit, from the calls of the functions that write them."""
    for path in [path for package in PACKAGES for path in package.rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            name = getattr(node.func, "attr", getattr(node.func, "id", "")) if isinstance(node, ast.Call) else ""
            if isinstance(node, ast.Call) and name in {"acting", "append", "_audited"} and len(node.args) > 2:
                yield from re.findall(r"^'(\w+)'$", ast.unparse(node.args[2]))


def test_users_tokens_and_sessions_are_audited_once_each_without_a_secret(runtime: Runtime) -> None:
    # given
    store, now, at = runtime.store, runtime.clock.now(), "192.0.2.7"
    password, other = "correct horse battery", "another horse battery"
    # when
    first = signing_in.sign_in_first(store, origin=at, now=now)
    users.add_user(store, ANNA, "ben", Role.VIEWER, password, now=now)
    users.set_role(store, ANNA, "ben", Role.APPROVER, now=now)
    users.set_password(store, ANNA, "ben", other, now=now)
    assert signing_in.sign_in(store, "ben", password, origin=at, now=now) is None
    signed_in = signing_in.sign_in(store, "ben", other, origin=at, now=now)
    assert first is not None
    assert signed_in is not None
    signing_in.sign_out(store, signing_in.user("ben", signed_in.role, at), signed_in.secret, now=now)
    users.remove_user(store, ANNA, "ben", now=now)
    token = tokens.add_token(store, ANNA, "crm", {Scope.READ}, now=now)
    tokens.remove_token(store, ANNA, "crm", now=now)
    # then
    (_, *mine) = entries(store)
    assert [(entry.action, entry.actor, entry.subject, entry.origin) for entry in mine] == [
        ("sign_in_first", "first-run", "first-run", at),
        ("add_user", "anna", "ben", ""),
        ("set_role", "anna", "ben", ""),
        ("set_password", "anna", "ben", ""),
        ("sign_in_failed", "ben", "ben", at),
        ("sign_in", "ben", "ben", at),
        ("sign_out", "ben", "ben", at),
        ("remove_user", "anna", "ben", ""),
        ("add_token", "anna", "crm", ""),
        ("remove_token", "anna", "crm", ""),
    ]
    with store.read() as session:
        stored = "".join(str(row) for row in session.execute(sa.text("SELECT * FROM audit_entry")))
    assert not [each for each in (password, other, signed_in.secret, first.secret, str(token)) if each in stored]


def test_everything_that_somebody_does_has_one_entry(runtime: Runtime, folder: Path) -> None:
    # given
    store, now = runtime.store, runtime.clock.now()
    path = folder / "sale.yaml"
    path.write_text(CAMPAIGN.replace("spring-sale", "sale") + "approval: true\n")
    definition = read_file(path, runtime.settings)
    table = folder / "stops.csv"
    table.write_text("number\n" + "".join(f"+39 333 200 {place:04}\n" for place in range(1_500)))
    # when
    waiting = submitting.submit(runtime, ANNA, definition, source="sale.yaml").run
    sample = test_message.choose_sample(definition)
    tested = test_message.plan_test(runtime, ANNA, definition, sample, NUMBER, source="sale.yaml")
    test_message.give_up_test(runtime, ANNA, tested.run_id)
    approving.approve(store, ANNA, "sale", waiting.plan_hash[:8], inbox=INBOX_FOLDER, four_eyes=False, now=now)
    control.pause(store, ANNA, "sale", now=now)
    control.resume(store, ANNA, "sale", now=now)
    place = throttling.place_of(store, runtime.settings, campaign="sale")
    throttling.change_limits(store, ANNA, place, throttling.new_limits("20/minute", "none", 3), now=now)
    opt_outs.suppress(store, ANNA, [NUMBER], reason=f"{NUMBER} said {TEXT}", now=now)
    opt_outs.suppress_table(store, ANNA, opt_outs.open_table(table, "number", "IT", now=now), now=now)
    opt_outs.unsuppress(store, ANNA, [NUMBER, "+393331000009"], now=now)
    control.cancel(store, ANNA, "sale", now=now)
    hold_everybody(store, waiting.id)
    about = resolving.to_decide(store, "sale", number="+393331000002")
    resolving.resolve(store, ANNA, about, Declared.SENT, now=now)
    # then
    (_, *mine) = entries(store)
    assert [(entry.action, entry.campaign, entry.run_id, entry.plan_hash, entry.subject) for entry in mine] == [
        ("submit", "sale", waiting.id, waiting.plan_hash, "sale.yaml"),
        ("test", "sale", tested.run_id, definition.content_hash, "+39…01"),
        ("test_given_up", "sale", tested.run_id, "", ""),
        ("approve", "sale", waiting.id, waiting.plan_hash, ""),
        ("pause", "sale", waiting.id, waiting.plan_hash, ""),
        ("resume", "sale", waiting.id, waiting.plan_hash, ""),
        ("throttle", "sale", None, "", "campaign:sale"),
        ("suppress", "", None, "", "+39…01"),
        ("suppress", "", None, "", "stops.csv"),
        ("unsuppress", "", None, "", "2 numbers"),
        ("cancel", "sale", waiting.id, waiting.plan_hash, ""),
        ("resolve", "sale", waiting.id, waiting.plan_hash, "+39…02"),
    ]
    assert mine[0].detail == {"taken": "planned", "definition": definition.content_hash}
    assert {(entry.actor_kind, entry.actor, entry.at) for entry in mine} == {("cli", "anna", now)}
    # and the record is whole, and names no number, no text and no key
    assert check_audit(store).broken is None
    with store.read() as session:
        stored = "".join(str(row) for row in session.execute(sa.text("SELECT * FROM audit_entry")))
    shown = json.dumps([audit_json(entry) for entry in mine])
    assert not [planted for planted in (NUMBER, NUMBER[1:], "3331000002", TEXT, "unused") if planted in stored + shown]


def hold_everybody(store: Store, run_id: int) -> None:
    with store.write() as session:
        session.execute(sa.update(Recipient).where(col(Recipient.run_id) == run_id).values(state=RecipientState.HELD))
        session.execute(sa.update(Batch).where(col(Batch.run_id) == run_id).values(state=BatchState.HELD))


NOTHING: Final[list[Callable[[Runtime], object]]] = [
    lambda r: control.pause(r.store, ANNA, "spring-sael", now=r.clock.now()),
    lambda r: control.resume(r.store, ANNA, "spring-sale", now=r.clock.now()),
    lambda r: approving.approve(
        r.store, ANNA, "spring-sale", 8 * "0", inbox=INBOX_FOLDER, four_eyes=False, now=r.clock.now()
    ),
    lambda r: opt_outs.unsuppress(r.store, ANNA, [NUMBER], now=r.clock.now()),
    lambda r: submitting.submit(r, ANNA, read_file(Path("broken.yaml"), r.settings), source="broken.yaml"),
]


def test_what_fails_or_changes_nothing_leaves_no_entry(runtime: Runtime, folder: Path) -> None:
    (folder / "broken.yaml").write_text(CAMPAIGN.replace("spring-sale", "broken").replace("message", "massage"))
    before = did(runtime.store)

    for act in NOTHING:
        with suppress(Exception):
            act(runtime)

    assert did(runtime.store) == before == ["submit"]


def test_what_was_approved_or_suppressed_before_has_one_entry(runtime: Runtime, folder: Path) -> None:
    store, now = runtime.store, runtime.clock.now()
    path = folder / "sale.yaml"
    path.write_text(CAMPAIGN.replace("spring-sale", "sale") + "approval: true\n")
    run = submitting.submit(runtime, ANNA, read_file(path, runtime.settings), source=path.name).run
    for actor in (ANNA, Actor(ActorKind.TOKEN, "ci")):
        approving.approve(store, actor, "sale", run.plan_hash, inbox=INBOX_FOLDER, four_eyes=False, now=now)
        opt_outs.suppress(store, actor, [NUMBER], now=now)

    assert did(store).count("approve") == did(store).count("suppress") == 1


def test_the_service_acts_under_its_own_names(runtime: Runtime, folder: Path) -> None:
    # given
    store, now = runtime.store, runtime.clock.now()
    path = folder / "sale.yaml"
    path.write_text(CAMPAIGN.replace("spring-sale", "sale"))
    # when the inbox takes a file, a run pauses itself, and the file is removed
    run_id = take_up(runtime, read_file(path, runtime.settings), source="sale.yaml").run_id
    with store.write() as session:
        pause_run(session, run_id, PausedBy.ALARM, "the gateway refused 9 of 10", now=now)
    cancel_unsent(runtime, run_id, "its file was removed", now)
    # then
    assert [(f"{each.actor_kind}:{each.actor}", each.action) for each in entries(store, campaign="sale")] == [
        (str(INBOX), "submit"),
        (str(SCHEDULER), "pause"),
        (str(INBOX), "cancel"),
    ]


def test_an_action_joins_a_transaction_and_is_undone_alone_if_it_is_refused(runtime: Runtime) -> None:
    # given a door that keeps its answer in the transaction of the action
    store, now = runtime.store, runtime.clock.now()

    def paused_then_refused() -> None:
        with acting(store, ANNA, "approve", now=now) as inner:
            inner.execute(sa.update(Run).values(reason="half done"))
            pause_run(inner, 1, PausedBy.ALARM, now=now)
            raise ZeroDivisionError

    # when
    with store.write() as session, joined(session):
        with suppress(ZeroDivisionError):
            paused_then_refused()
        control.pause(store, ANNA, "spring-sale", now=now)
        session.execute(sa.update(Run).values(plan_hash="answered"))
    # then
    with store.read() as session:
        reason, state, plan_hash = session.execute(sa.select(col(Run.reason), col(Run.state), col(Run.plan_hash))).one()
    assert (reason, state.value, plan_hash) == ("", "paused", "answered")
    assert did(store) == ["submit", "pause"]

    # and nothing of either stays if the transaction is undone
    with suppress(ZeroDivisionError), store.write() as session, joined(session):
        control.resume(store, ANNA, "spring-sale", now=now)
        raise ZeroDivisionError
    assert did(store) == ["submit", "pause"]


@pytest.mark.parametrize("at", ["pause", "cancel"])
def test_the_entry_names_from_where_it_was_asked(runtime: Runtime, at: str) -> None:
    web = Actor(ActorKind.USER, "ben", origin="2001:db8::7")

    getattr(control, at)(runtime.store, web, "spring-sale", now=runtime.clock.now())

    (entry,) = entries(runtime.store, actor="user:ben")
    assert (entry.origin, audit_json(entry)["from"], audit_json(entry)["actor"]) == (
        "2001:db8::7",
        "2001:db8::7",
        "user:ben",
    )


def test_an_upgrade_of_the_database_is_audited_in_its_transaction(folder: Path) -> None:
    # given a database of an earlier version
    with closing(Store(load_settings().database_url)) as store:
        Old(store, "0005")
        # when
        for _ in range(2):
            migrating.migrate(load_settings(), ANNA)
        # then
        (entry,) = entries(store)
        assert (entry.action, entry.actor, dict(entry.detail)) == ("migrate", "anna", {"from": "0005"})
        assert check_audit(store).broken is None
