"""`resolve`: what a person found out is carried out, once, and recorded."""

import json
from collections.abc import Callable

import pytest
import sqlalchemy as sa
from typer.testing import Result

from campaigns.codes import PausedBy
from campaigns.lifecycle import BatchState, RecipientState, RunState
from tests.scheduler.operator.held_world import LISTED, NUMBERS, HeldWorld
from worker.store.models import Attempt, Event
from worker.store.runs import run_ends, runs

Cli = Callable[..., Result]
P = RecipientState


def resolved(world: HeldWorld) -> list[Event]:
    with world.store.read() as session:
        return list(session.scalars(sa.select(Event).filter_by(name="held.resolved")))


def test_not_sent_sends_again(cli: Cli, world: HeldWorld) -> None:
    world.hold()
    world.end()

    result = cli("resolve", "spring-sale", "--as", "not-sent")

    assert result.exit_code == 0, result.stderr
    assert result.stdout.splitlines()[:2] == [
        "3 people of spring-sale: declared not sent; they will be texted again",
        "spring-sale is running",
    ]
    assert set(world.states().values()) == {P.PENDING}
    assert (world.batches()[0].state, world.run().state) == (BatchState.PLANNED, RunState.RUNNING)
    assert world.run().finished_at is None
    assert len(world.ask().addressees) == 3


def test_sent_is_never_sent_again_and_the_run_can_end(cli: Cli, world: HeldWorld) -> None:
    world.hold(NUMBERS[:2], found=NUMBERS[2:])
    world.set_person(NUMBERS[2], state=P.DELIVERED)

    result = cli("resolve", "spring-sale", "--as", "sent", "--json")

    assert json.loads(result.stdout) == {
        "campaign": "spring-sale",
        "run": world.run_id,
        "state": "running",
        "as": "sent",
        "people": 2,
        "lists": 0,
        "cancelled": 0,
    }
    person = world.people()[NUMBERS[0]]
    assert (person.state, person.reason, person.gateway_id) == (P.ACCEPTED, "declared sent by a person", None)
    assert world.batches()[0].state is BatchState.ACCEPTED
    with world.store.read() as session:
        assert run_ends.open_receipts(session, world.run_id) == 0
    world.end()
    assert world.states()[NUMBERS[0]] is P.ACCEPTED  # declared, and no silent phone expires it


def test_who_decided_and_when_is_on_record(cli: Cli, world: HeldWorld) -> None:
    world.hold()

    cli("resolve", "spring-sale", "--as", "not-sent")

    (event,) = resolved(world)
    people = sorted(person.id for number, person in world.people().items() if number in NUMBERS)
    assert (event.run_id, event.batch_id) == (world.run_id, world.batches()[0].id)
    assert event.detail == {"as": "not-sent", "by": "ada", "recipients": people}


def test_one_person_alone(cli: Cli, world: HeldWorld) -> None:
    world.hold()

    result = cli("resolve", "spring-sale", "--as", "not-sent", "--number", "+39 333 100 0002")

    assert result.stdout.startswith("1 person of spring-sale: declared not sent")
    assert list(world.states().values()) == [P.HELD, P.PENDING, P.HELD]
    assert [a.number for a in world.ask().addressees] == [NUMBERS[1]]


def test_the_rest_of_a_batch_can_be_decided_after_one_of_it_was_sent(cli: Cli, world: HeldWorld) -> None:
    world.hold()
    cli("resolve", "spring-sale", "--as", "not-sent", "--number", NUMBERS[1])
    world.conclude(world.ask(), [], found=NUMBERS[1:2], outcome="all_found")

    cli("resolve", "spring-sale", "--as", "not-sent")

    assert list(world.states().values()) == [P.PENDING, P.ACCEPTED, P.PENDING]
    assert world.batches()[0].state is BatchState.PLANNED


def test_a_request_under_way_is_left_to_itself(cli: Cli, world: HeldWorld) -> None:
    world.hold(NUMBERS[:1])
    under_way = world.ask()

    cli("resolve", "spring-sale", "--as", "not-sent")

    assert world.batches()[0].state is BatchState.SENDING
    world.conclude(under_way, [], found=NUMBERS[1:], outcome="all_found")
    assert [a.number for a in world.ask().addressees] == [NUMBERS[0]]


def test_a_completed_run_that_goes_on_follows_its_open_receipts_again(cli: Cli, world: HeldWorld) -> None:
    world.hold(NUMBERS[:1], found=NUMBERS[1:])
    world.set_person(NUMBERS[1], state=P.SENT)
    world.end()
    assert world.polls() == [None]

    cli("resolve", "spring-sale", "--as", "not-sent")

    assert None not in world.polls()


@pytest.mark.parametrize(("declared", "state"), [("sent", BatchState.ACCEPTED), ("not-sent", BatchState.PLANNED)])
def test_a_contact_list(cli: Cli, world: HeldWorld, declared: str, state: BatchState) -> None:
    run_id = world.begin(LISTED, "club.yaml")
    world.hold_list(run_id)

    result = cli("resolve", "club", "--as", declared)

    assert result.stdout.startswith(f"1 contact list of club: declared {declared.replace('-', ' ')};")
    assert world.batches(run_id)[0].state is state


def test_people_of_a_cancelled_campaign_are_not_sent_to(cli: Cli, world: HeldWorld) -> None:
    world.hold()
    with world.store.write() as session:
        runs.cancel_run(session, world.run_id, "cancelled by hand", world.clock.now())

    result = cli("resolve", "spring-sale", "--as", "not-sent")

    assert "the campaign was cancelled, so nothing is sent to them" in result.stdout
    assert set(world.states().values()) == {P.CANCELLED}
    assert world.run().state is RunState.CANCELLED


def test_a_paused_campaign_stays_paused(cli: Cli, world: HeldWorld) -> None:
    world.hold()
    with world.store.write() as session:
        runs.pause_run(session, world.run_id, PausedBy.PERSON, now=world.clock.now())

    result = cli("resolve", "spring-sale", "--as", "not-sent")

    assert result.stdout.splitlines()[1:] == [
        "spring-sale is paused",
        "resume it with: campaigns resume spring-sale",
    ]


@pytest.mark.parametrize(("declared", "is_watched"), [("sent", False), ("not-sent", True)])
def test_only_what_was_not_sent_is_watched_for(cli: Cli, world: HeldWorld, declared: str, is_watched: bool) -> None:
    world.hold(outcome="missed")

    cli("resolve", "spring-sale", "--as", declared)

    with world.store.read() as session:
        attempt = session.execute(sa.select(Attempt)).scalar_one()
    # A watch ends a day after `send_by`: one that is due later is never due.
    assert ((attempt.next_check_at - attempt.send_by).days < 1) is is_watched


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "nobody in spring-sale is held: there is nothing to resolve"),
        (("--number", NUMBERS[0]), "this number of spring-sale is not held: there is nothing to resolve"),
        (
            ("--number", "12"),
            (
                "the number cannot be used: has no country code, and CAMPAIGNS_REGION is not set; "
                "write it as +39 333 123 4567"
            ),
        ),
    ],
)
def test_nothing_to_resolve_is_bad_input(cli: Cli, world: HeldWorld, arguments: tuple[str, ...], sentence: str) -> None:
    result = cli("resolve", "spring-sale", "--as", "sent", *arguments)

    assert (result.exit_code, result.stdout, resolved(world)) == (2, "", [])
    assert result.stderr == f"{sentence}\n"


def test_a_rehearsal_goes_on_to_its_end(cli: Cli, world: HeldWorld) -> None:
    world.hold(NUMBERS[1:])
    world.hold(NUMBERS[:1])
    world.end()
    world.close()  # the command needs the database for itself

    cli("resolve", "spring-sale", "--as", "not-sent", "--number", NUMBERS[0])
    cli("resolve", "spring-sale", "--as", "sent")
    result = cli("run", "spring.yaml", "--sandbox", "--json")

    assert result.exit_code == 0, result.stderr
    summary = json.loads(result.stdout)
    assert summary["state"] == "completed"
    assert summary["recipients"] == {"audience": 4, "accepted": 2, "delivered": 1, "invalid": 1}
