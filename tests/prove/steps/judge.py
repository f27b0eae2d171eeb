"""Judges a world that was played: from the book of commits, the rows and the gateway's own list; with plain loops.

It shares no code with what decides about steps. The tables are read as they are.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import sqlalchemy as sa

from tests.protocol.world.scripted_gateway import RECEIVED, Stored
from tests.prove.steps.caps import over_cap
from tests.prove.steps.ledger import Entry, Row, read_book
from tests.prove.steps.money import over_budget
from tests.prove.steps.playing import Play
from tests.prove.steps.worlds import ROOT, StepPlan
from worker.store.kept.phones import phones_unlike_rows
from worker.store.people.run_answers import answers_unlike_rows
from worker.store.reports.counts import counts_unlike_rows
from worker.store.tables import events, recipients, replies, runs

OFF: Final = timedelta(seconds=1)
"""By how much the gateway's dates, in whole seconds, may differ."""

CLOCK_MARGIN: Final = timedelta(minutes=10)
"""What is dated so long before the text was accepted still counts as a reply to it."""

ANSWERING: Final = frozenset({"reply", "review"})
"""What somebody writes who does not just send a keyword."""

PLANNED_OUT: Final = frozenset({"invalid", "duplicate", "holdout", "suppressed"})
"""States of rows of the campaign whose people get no steps either: nothing was ever to be sent to them."""

HAS_IT: Final = frozenset({"accepted", "sent", "delivered", "failed", "expired", "cancelled"})
"""States that a text which the gateway has may be in."""


@dataclass(slots=True)
class StepVerdicts:
    """What a world showed. `sent`: texts of steps; `kept_out`: people whom a condition kept out, by when it was known.

    `at_the_intent`: those kept out when it was due, by the look in the intent's transaction. `too_late`: answers that
    came while the request was on its way.
    """

    problems: list[str]
    people: int = 0
    sent: int = 0
    kept_out: int = 0
    at_the_intent: int = 0
    opted_out: int = 0
    capped: int = 0
    other: int = 0
    too_late: int = 0


class StepsJudge:
    """One world that was played."""

    def __init__(self, play: Play) -> None:
        self.play, self.world = play, play.world
        self.book = read_book(play.store)
        self.place = {entry.seq: place for place, entry in enumerate(self.book)}
        self.messages: dict[tuple[str, str], list[Stored]] = defaultdict(list)
        for message in play.bench.gateway.stored:
            if message.status != RECEIVED:
                self.messages[message.number, _step_of(message.text)].append(message)
        self.rows = {row.id: row for row in self._read_rows()}
        self.chains: dict[tuple[str, str], list[Row]] = defaultdict(list)
        for row in self.rows.values():
            self.chains[row.number, row.step].append(row)
        self.found = StepVerdicts([])
        with play.store.read() as session:
            self.written_at = {row.id: row.received_at for row in session.execute(sa.select(replies))}

    def _read_rows(self) -> Iterator[Row]:
        with self.play.store.read() as session:
            steps: dict[int, str] = {}
            for run in session.execute(sa.select(runs).order_by(runs.c.id)):
                steps[run.id] = self._step_of_run(run, steps)
            columns = [recipients.c[name] for name in Row.__dataclass_fields__ if name not in {"step", "run"}]
            # The second row of a number stands for nobody.
            query = sa.select(recipients.c.run_id, *columns).where(recipients.c.occurrence == 0)
            for row in session.execute(query.order_by(recipients.c.id)):
                values = dict(row._mapping)
                run_id = values.pop("run_id")
                yield Row(run=run_id, step=steps[run_id], **values | {"state": str(values["state"])})

    def _step_of_run(self, run: Any, steps: Mapping[int, str]) -> str:
        if run.parent_id is not None:
            return steps[run.parent_id]
        return ROOT if run.root_id is None else str(run.moment).rpartition("/")[2]

    # The verdict.

    def verdicts(self) -> StepVerdicts:
        """Return what was found."""
        problems = self.found.problems
        problems += self._books()
        problems += [*self._nobody_twice(), *self._in_hours()]
        for step in self.world.steps:
            for number in self.world.numbers:
                problems += self._of_person(step, number)
        problems += self._intents()
        problems += [*over_cap(self.play, self.book, self.rows), *over_budget(self.play)]
        problems += self._told()
        return self.found

    def _books(self) -> Iterator[str]:
        with self.play.store.read() as session:
            wrong = [counts_unlike_rows(session), phones_unlike_rows(session)]
            if not self.world.later:  # when a run goes on for more people, who answered after its end stays unnoted
                wrong.append(answers_unlike_rows(session))
        for found in wrong:
            if found:
                yield f"what is kept is not what the rows say: {found}"
        for number in self.world.numbers:
            root = [row for row in self.chains[number, ROOT] if row.state not in PLANNED_OUT]
            self.found.people += bool(root)
            for step in self.world.steps:
                if bool(root) > bool(self.chains[number, step.name]):
                    yield f"{number} has no row for {step.name}"
        strangers = {row.number for row in self.rows.values() if row.step != ROOT} - set(self.world.numbers)
        if strangers:
            yield f"steps have rows for {strangers}, to whom nothing was to be sent"

    def _nobody_twice(self) -> Iterator[str]:
        """Nobody has a text twice, except one that failed and was sent again: each copy but the last is a failure."""
        for (number, step), copies in self.messages.items():
            repeats = [message for message in copies if message.status != "Failed"]
            again = self.world.retries or any(act == "resend" for _, act in self.world.acts)
            if len(copies) > 1 and (not again or len(repeats) > 1):
                yield f"{number} has {step or 'the text'} {len(copies)} times: {[each.status for each in copies]}"

    def _in_hours(self) -> Iterator[str]:
        """Every text left while the window was open, by the clocks of the person."""
        for (number, step), copies in self.messages.items():
            for wall in (message.at.astimezone(self.world.zone(number)) for message in copies):
                if self.world.window is not None and not self.world.window[0] <= wall.time() < self.world.window[1]:
                    yield f"{number}, {step or 'the text'}: was sent at {wall:%H:%M}, outside of its hours"

    def _of_person(self, step: StepPlan, number: str) -> Iterator[str]:
        rows = self.chains[number, step.name]
        if not rows:
            return
        name = f"{number}, {step.name}"
        copies = self.messages[number, step.name]
        before = [row for row in self.chains[number, self._before(step)] if row.accepted_at is not None]
        if copies:
            self.found.sent += 1
            if not before:
                yield f"{name}: was sent, and the text before never was"
            earlier = self.messages[number, self._before(step)]
            if copies[0].at + OFF < (earliest := min(each.at for each in earlier) + step.pause):
                yield f"{name}: was sent {copies[0].at}, before {earliest}"
        last = rows[-1]
        stays = [copy for copy in copies if copy.status != "Failed"]  # who failed may be left out of a second try
        if bool(stays) > (last.state in HAS_IT or last.state in {"held", "in_doubt"} or len(rows) > 1):
            yield f"{name}: the gateway has it, and its row is {last.state}"
        if last.gateway_id is not None and not copies:
            yield f"{name}: its row is {last.state}, and the gateway does not have it"
        if not copies:
            yield from self._not_sent(step, name, rows, before)

    def _before(self, step: StepPlan) -> str:
        place = self.world.steps.index(step)
        return self.world.steps[place - 1].name if place else ROOT

    def _not_sent(self, step: StepPlan, name: str, rows: list[Row], before: list[Row]) -> Iterator[str]:
        """Whoever did not get it must have a reason that was true when the row got it."""
        row = rows[0]
        moved = self._last_move(row)
        if row.state in {"pending", "in_doubt"}:
            self.found.other += 1
            if not self._waits_for_a_person(step, row.number):
                yield f"{name}: is still {row.state}"
        elif row.state == "excluded" and before:
            yield from self._kept_out(step, name, row, moved)
        elif row.state == "suppressed":
            self.found.opted_out += 1
            if not self._facts(moved, row).intersection({"opted_out"}):
                yield f"{name}: is suppressed, and had not opted out"
        elif row.state == "capped" and before:  # whether that was right is judged with the caps
            self.found.capped += 1
        elif row.state == "cancelled" and before:
            self.found.other += 1
            if not self.play.was_cancelled:
                yield f"{name}: is cancelled ({row.reason}), and nobody cancelled it"
        elif row.state in {"failed", "held"}:
            self.found.other += 1
            if not self.world.chance.faults:
                yield f"{name}: is {row.state} ({row.reason}), and the gateway had no faults"
        elif before:
            yield f"{name}: is {row.state} ({row.reason}), and nothing asks for that"
        elif not row.reason:
            yield f"{name}: is {row.state} without a reason, and the text before was never sent"

    def _waits_for_a_person(self, step: StepPlan, number: str) -> bool:
        """Return whether one of the texts before is held: nobody knows whether it was sent, until a person decides."""
        names = [ROOT, *(each.name for each in self.world.steps)]
        before = names[: names.index(step.name)]
        return any(row.state == "held" for name in before for row in self.chains[number, name])

    def _kept_out(self, step: StepPlan, name: str, row: Row, moved: Entry) -> Iterator[str]:
        """The condition was false at that moment; and if that was early, it was still when the text was due."""
        self.found.kept_out += 1
        if step.holds(self._facts(moved, row)):
            yield f"{name}: was left out ({row.reason}), and its condition was true"
        moment = self.play.written_at(moved.seq)
        earlier = [each.at for each in self.messages[row.number, self._before(step)] if each.at < moment]
        due = max(earlier) + step.pause if earlier else moment
        if moment < due:
            at_due = self.play.written_by(due)
            late = next((entry for entry in self.book if entry.seq > at_due), None)
            if late is not None and step.holds(self._facts(late, row)):
                yield f"{name}: was left out early ({row.reason}), and its condition was true when it was due"
        else:
            self.found.at_the_intent += 1

    def _last_move(self, row: Row) -> Entry:
        return [entry for entry in self.book if entry.what == "text" and entry.row_id == row.id][-1]

    def _intents(self) -> Iterator[str]:
        """Nobody was promised a step whose condition was false in the database when that was committed."""
        steps = {step.name: step for step in self.world.steps}
        for entry in self.book:
            row = self.rows.get(entry.row_id) if entry.what == "text" else None
            if row is None or entry.becomes != "in_doubt" or row.step == ROOT:
                continue
            facts = self._facts(entry, row)
            if not steps[row.step].holds(facts):
                yield f"{row.number}, {row.step}: was promised when {sorted(facts)} held, against its condition"
            if "kept from" in facts:
                yield f"{row.number}, {row.step}: was promised after an opt-out"

    def _told(self) -> Iterator[str]:
        """Who answers while a step that is for nobody who replied is on its way gets it, and that is told."""
        with self.play.store.read() as session:
            noted = session.scalars(sa.select(events.c.detail).where(events.c.name == "step.answered"))
            told = {row_id for detail in noted for row_id in detail["recipients"]}
        not_after = {step.name for step in self.world.steps if "replied" in step.unless}
        on_its_way: dict[str, Row] = {}
        for entry in self.book:
            row = self.rows.get(entry.row_id) if entry.what == "text" else None
            if row is not None and row.step in not_after:
                if entry.becomes == "in_doubt":
                    on_its_way[row.number] = row
                elif entry.was == "in_doubt":
                    on_its_way.pop(row.number, None)
            elif entry.what == "wrote" and (late := on_its_way.get(entry.number)) is not None:
                self.found.too_late += entry.becomes in ANSWERING
                if entry.becomes in ANSWERING and late.id not in told:
                    yield f"{late.number}, {late.step}: answered while it was on its way, and nobody is told"

    # What was true when something was committed.

    def _facts(self, moment: Entry, row: Row) -> frozenset[str]:
        """Return what was true of a person right before that, by the commits until then."""
        step = next(step for step in self.world.steps if step.name == row.step)
        before = {each.id: each for each in self.chains[row.number, self._before(step)]}
        states: dict[int, str] = {}
        handed: set[str] = set()
        left: dict[str, bool] = {}
        facts = set()
        mine = {each.id: each for each in self.rows.values() if each.number == row.number}
        for entry in self.book[: self.place[moment.seq]]:
            if entry.what == "text" and entry.row_id in mine:
                states[entry.row_id] = entry.becomes
                if entry.becomes in {"accepted", "sent", "delivered"}:
                    handed.add(mine[entry.row_id].step)
            elif entry.number != row.number:
                continue
            elif entry.what == "wrote" and entry.becomes in ANSWERING and ROOT in handed:
                if self.written_at[entry.row_id] + CLOCK_MARGIN >= min(
                    each.at for each in self.messages[row.number, ROOT]
                ):
                    facts.add("replied")
            elif entry.what in {"left", "back"}:
                left[entry.becomes] = entry.what == "left"
        counting = [states[id_] for id_ in sorted(before) if id_ in states]
        if counting and counting[-1] in {"delivered", "failed"}:
            facts.add(counting[-1])
        if any(left.values()):
            facts.add("opted_out")
        if left.get("") or left.get(self.world.kind):
            facts.add("kept from")
        return frozenset(facts)


def _step_of(text: str) -> str:
    name = text.split(" ")[1]
    return ROOT if name == "root" else name


def figures(verdicts: StepVerdicts) -> Counter[str]:
    """Return the figures of a world, to be added up."""
    return Counter({name: getattr(verdicts, name) for name in StepVerdicts.__dataclass_fields__ if name != "problems"})
