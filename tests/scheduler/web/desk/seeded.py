"""An installation with something on every page: campaigns in many states, replies, opt-outs, held texts, alerts."""

from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa

from campaigns.access import Role
from campaigns.alerts.figures import AlertName
from campaigns.display import utc
from campaigns.following.course import Bottleneck, Course
from campaigns.lifecycle import BatchState, RecipientState, RunState
from campaigns.optout import Meaning
from campaigns.planning.batching import BatchLimits
from scheduler.actions.access.users import add_user
from scheduler.actions.acting import Actor, ActorKind
from tests.store.store_world import World, people
from worker.runtime import Runtime
from worker.store.access import sessions, users
from worker.store.people import suppressions
from worker.store.people.stored_replies import Incoming, store_replies
from worker.store.people.suppressions import Entry
from worker.store.reports.courses import save_course
from worker.store.runs.resends import create_resend
from worker.store.runs.runs import run_view
from worker.store.tables import alerts, campaigns, recipients, run_answers, runs

ROOT: Final = Actor(ActorKind.CLI, "root")

_AUDIENCES: Final = sa.select(recipients.c.run_id, sa.func.count()).group_by(recipients.c.run_id)


def seeded(runtime: Runtime) -> World:
    """Put something on every page."""
    world, now = World(runtime.store), runtime.clock.now()
    sending = world.run(people(30), per_request=10)
    for batch_id in world.batches(sending)[:2]:
        intent = world.intent(batch_id)
        world.accept(intent, world.placed(intent))
    _spread(world, sending)
    for place, state in enumerate(sorted(set(RunState) - {RunState.RUNNING}), start=1):
        run_id = world.run(people(8, first=100 * place), campaign=f"in-{state.value.replace('_', '-')}", state=state)
        ended = state in {RunState.COMPLETED, RunState.CANCELLED, RunState.FAILED}
        world.set_run(run_id, reason="" if place % 2 else "a colleague asked", finished_at=now if ended else None)
    held = world.run(people(6, first=5_000, state=RecipientState.HELD), campaign="held-sale", per_request=3)
    world.set_batches(held, state=BatchState.HELD, reason="the gateway never said what became of it")
    divided = _divided(world, now)
    _sent_again(world, now)
    with runtime.store.write() as session:
        for run_id, audience in session.execute(_AUDIENCES).all():
            summary = {"audience": audience, "counts": {"pending": audience}}
            cuts = {"cuts": [0.4, 0.8]} if run_id == divided else {}
            session.execute(sa.update(runs).where(runs.c.id == run_id).values(plan_summary=summary | cuts))
    _course(world, sending, now)
    _replies(world, now)
    with runtime.store.write() as session:
        entries = [Entry(f"+3933399{place:05}", "", f"reason {place}", "import", now) for place in range(120)]
        suppressions.suppress(session, entries, now=now)
        _alerts(world, session.connection(), now)
    return world


def _divided(world: World, now: datetime) -> int:
    """A campaign that is over, with two variants and a control group, and people who wrote back or opted out."""
    rows = [
        row._replace(variant="ab"[place % 2]) if place < 8 else row._replace(state=RecipientState.HOLDOUT, text="")
        for place, row in enumerate(people(10, first=9_000))
    ]
    run_id = world.run(rows, campaign="divided", per_request=4)
    world.sent(run_id)
    states = [RecipientState.DELIVERED] * 4 + [RecipientState.SENT] * 2 + [RecipientState.FAILED] * 2
    with world.store.write() as session:
        ids = list(session.scalars(sa.select(recipients.c.id).where(recipients.c.run_id == run_id)))
        for place, (id_, state) in enumerate(zip(ids, states, strict=False)):
            failed = {
                "result_code": 4 if place % 2 else None,
                "reason": "no service",
                "device": 2 if place % 2 else None,
            }
            values = {"state": state, "device": 1, "sim": 0, "sent_at": now}
            values |= failed if state is RecipientState.FAILED else {}
            session.execute(sa.update(recipients).where(recipients.c.id == id_).values(values))
        answered = ((0, "replied"), (1, "replied"), (2, "opted_out"), (9, "replied"))
        for place, kind in answered:
            part = "control" if place == 9 else f"text.{'ab'[place % 2]}"
            values = {"run_id": run_id, "recipient_id": ids[place], "kind": kind, "part": part}
            session.execute(sa.insert(run_answers).values(values))
    world.set_run(run_id, state=RunState.COMPLETED, started_at=now - timedelta(days=2), finished_at=now)
    return run_id


def _sent_again(world: World, now: datetime) -> None:
    """A campaign all of whose 20 texts failed; 19 were sent again, and 17 of these arrived. One row is unusable."""
    unusable = people(1, first=20_020, state=RecipientState.INVALID)
    first = world.run([*people(20, first=20_000), *unusable], campaign="sent-again", per_request=20)
    world.sent(first)
    proven, other = ({"state": RecipientState.FAILED, "result_code": code, "sent_at": now} for code in (4, 1))
    with world.store.write() as session:
        ids = list(session.scalars(sa.select(recipients.c.id).where(recipients.c.run_id == first)))[:20]
        session.execute(sa.update(recipients).where(recipients.c.id.in_(ids)).values(proven))
        session.execute(sa.update(recipients).where(recipients.c.id == ids[0]).values(other))
        again = create_resend(
            session,
            run_view(session, first),
            account_id=world.account_id,
            limits=BatchLimits(20, 1_000),
            suppressed=lambda _: set(),
            now=now,
        )
    assert again is not None
    world.set_run(again, state=RunState.RUNNING)
    world.sent(again)
    with world.store.write() as session:
        ids = list(session.scalars(sa.select(recipients.c.id).where(recipients.c.run_id == again)))
        session.execute(sa.update(recipients).where(recipients.c.id.in_(ids)).values(state=RecipientState.DELIVERED))
        session.execute(sa.update(recipients).where(recipients.c.id.in_(ids[17:])).values(proven))
    for run_id in (first, again):
        world.set_run(run_id, state=RunState.COMPLETED, started_at=now, finished_at=now)


def _spread(world: World, run_id: int) -> None:
    """Give the people of a run many states, and some of them a reason."""
    states = [RecipientState.DELIVERED] * 8 + [RecipientState.SENT] * 4 + [RecipientState.FAILED] * 3
    with world.store.write() as session:
        ids = [row.id for row in session.execute(sa.select(recipients.c.id).where(recipients.c.run_id == run_id))]
        for id_, state in zip(ids, states, strict=False):
            reason = "no such number" if state is RecipientState.FAILED else ""
            session.execute(sa.update(recipients).where(recipients.c.id == id_).values(state=state, reason=reason))


def _course(world: World, run_id: int, now: datetime) -> None:
    """Give a run a past of five hours, and a forecast of which what is left is due in an hour."""
    began = now - timedelta(hours=5)
    course, forecast = Course(3), Course(1)
    for place in range(20):
        at = (began + timedelta(minutes=5 * place)).timestamp()
        forecast.add(at, 1)
        course.add(at, 1, 1, place % 2)
    forecast.add((now + timedelta(hours=1)).timestamp(), 10)
    ends = {"first_send_at": utc(began), "last_send_at": utc(now + timedelta(hours=1))}
    more = {"limited_by": "12/hour", "too_late": 0, "days": []}
    plan = {
        "audience": 30,
        "counts": {"pending": 30},
        "segments": 30,
        "course": forecast.to_json(),
        "forecast": ends | more,
    }
    world.set_run(run_id, plan_summary=plan, started_at=began)
    with world.store.write() as session:
        since = int(began.timestamp())
        save_course(session, run_id, course, [(since, Bottleneck.RATE), (since + 7_200, Bottleneck.WINDOW)])


def _replies(world: World, now: datetime) -> None:
    made = [
        Incoming(
            place,
            f"+39333{place:07}",
            f"an answer {place}",
            1,
            0,
            now - timedelta(minutes=place),
            list(Meaning)[place % len(Meaning)],
            reviewed_at=None if place % len(Meaning) == 3 and place < 10 else now,
        )
        for place in range(1, 40)
    ]
    with world.store.write() as session:
        store_replies(session, world.account_id, made, came_by="poll", now=now)


def _alerts(world: World, connection: sa.Connection, now: datetime) -> None:
    row = {"name": AlertName.NO_LEASE_HOLDER.value, "subject": "", "raised_at": now, "detail": {}}
    for cleared_at in (None, now):
        connection.execute(sa.insert(alerts).values(row | {"cleared_at": cleared_at}))


def sent_in_rehearsal(world: World, run_id: int) -> None:
    """Make a run one of a rehearsal, as the desk of the tests is, whose people all have the text."""
    with world.store.write() as session:
        run = session.execute(sa.select(runs).where(runs.c.id == run_id)).one()
        session.execute(sa.update(campaigns).where(campaigns.c.id == run.campaign_id).values(rehearsal=True))
        session.execute(sa.update(runs).where(runs.c.id == run_id).values(sent_at=run.created_at))
        handed = sa.update(recipients).where(recipients.c.run_id == run_id)
        session.execute(handed.values(accepted_at=run.created_at))


def signed_in(runtime: Runtime, name: str, role: Role) -> str:
    """The session of a new user, who has no password: hashing one takes 0.1 s of the processor."""
    now = runtime.clock.now()
    add_user(runtime.store, ROOT, name, role, None, now=now)
    with runtime.store.write() as session:
        user = users.credentials(session, name)
        assert user is not None
        return sessions.create(session, user.user_id, name, role, now=now)
