"""Small worlds in which the protocol is tried: a database, a gateway, workers, schedulers and a throttle, step by step.

A world has one to three people, and everything else that it needs for its question. All clocks are one fact of each
request: before `send_by`, past it, or settled. What the gateway has stored is visible.
"""

from collections.abc import Iterator
from itertools import product
from typing import Any

from tests.prove.spec.protocol import (
    ACCEPTED,
    CLOSED,
    FAILED,
    FAILURE,
    FAILURES,
    HELD,
    IN_DOUBT,
    LOST,
    NONE,
    OPEN,
    PENDING,
    PLANNED,
    REFUSAL,
    REPLIED,
    SENDING,
    SETTLE,
    UNKNOWN,
    UNWRITTEN,
    Ends,
    Facts,
    Look,
    Person,
    broken,
)  # fmt: skip
from tests.prove.spec.state import (
    ANSWERED,
    FRESH,
    GONE,
    LATE,
    MOST,
    PROMISED,
    SETTLED,
    WRITTEN,
    Attempt,
    Next,
    Scope,
    Seen,
    State,
    matters,
    put,
    rested,
)  # fmt: skip
from tests.prove.spec.surroundings import Surroundings


class World(Surroundings):
    """A scope, and the table without some of its rules. `following` is every state after one step."""

    def __init__(self, scope: Scope, without: frozenset[str] = frozenset()) -> None:
        super().__init__(scope, without)
        # What nobody asks for would only make more states.
        self._counts_early = SETTLE in without
        self._trusts_failures = FAILURES in without

    def start(self) -> State:
        """Everybody is planned, and nothing has been sent."""
        scope = self.scope
        count = len(scope.numbers)
        return State(
            (PENDING,) * count, (PLANNED,) * len(self._mine), (0,) * count, seen=(None,) * scope.schedulers,
            left=(False,) * count, before=(False,) * count,
        )  # fmt: skip

    def is_over(self, s: State) -> bool:
        """Return whether everybody is settled."""
        return not any(row in {PENDING, IN_DOUBT, NONE} for row in s.rows)

    def wrong(self, s: State) -> str:
        """Return the promise that is broken in this state, or ""."""
        if max(s.sent) > 1:
            return "somebody has the text twice"
        if any(row == ACCEPTED and not sent for row, sent in zip(s.rows, s.sent, strict=True)):
            return "somebody counts as sent, and is not"
        if self.scope.limit and sum(a.slot for a in s.attempts) > self.scope.limit:
            return "more was sent than the limit allows"
        return ""

    def following(self, s: State) -> Iterator[Next]:
        """Return every step that is possible."""
        for name, after, wrong in self._steps(s):
            if after.attempts is not s.attempts:
                after = after._replace(attempts=tuple(map(rested, filter(matters, after.attempts))))
            yield name, after, wrong

    def _steps(self, s: State) -> Iterator[Next]:
        live = sum(a.at != GONE for a in s.attempts)
        if live < self.scope.workers:
            yield from self._grants(s, live)
            for batch in self._mine:
                yield from self._intents(s, batch)
        for place, a in enumerate(s.attempts):
            yield from self._request(s, place, a)
        for scheduler, seen in enumerate(s.seen):
            yield from self._looks(s, scheduler) if seen is None else self._decisions(s, scheduler, seen)
        yield from self._surroundings(s)

    # What workers do.

    def _facts(self, s: State, batch: int, a: Attempt | None = None) -> Facts:
        numbers = self.scope.numbers
        people = {
            p: Person(
                s.rows[p],
                any(s.rows[q] == IN_DOUBT and numbers[q] == numbers[p] for q in self._people if q != p),
                s.left[p],
                s.before[p],
            )
            for p in self._mine[batch]
        }
        known = a or next((a for a in reversed(s.attempts) if a.batch == batch and a.state != NONE), None)
        state = NONE if known is None else known.state
        facts = Facts(s.batches[batch], state, people, is_stopped=s.stopped, is_restored=s.restored)
        if a is None:
            return facts
        return facts._replace(ending=a.ending, shown=self._found(s, batch), is_late=a.age != FRESH)

    def _intents(self, s: State, batch: int) -> Iterator[Next]:
        if self.scope.limit and not s.held:
            return
        facts = self._facts(s, batch)
        waiting = [p for p, person in facts.people.items() if person.state == PENDING]
        if facts.batch != PLANNED:
            return
        choices = []
        for p in waiting:
            person = facts.people[p]
            out = ([ACCEPTED] if person.before else []) + ([self.scope.leaving] if person.left else [])
            choices.append([IN_DOUBT, *out, *([PENDING] if person.elsewhere else [])])
        for chosen in product(*choices):
            ends = {p: to for p, to in zip(waiting, chosen, strict=True) if to != PENDING}
            promised = tuple(p for p, to in ends.items() if to == IN_DOUBT)
            if not self._may("intent", facts, ends):
                continue
            wrong = "a text is promised to somebody who has left" if any(s.left[p] for p in promised) else ""
            rows = tuple(ends.get(p, row) for p, row in enumerate(s.rows))
            if not promised:
                if ends or not waiting:
                    yield "intent for nobody", self._conclude(s._replace(rows=rows), batch), wrong
                continue
            new = Attempt(self._free_id(s), batch, promised, slot=bool(self.scope.limit))
            after = s._replace(attempts=(*s.attempts, new), held=s.held - new.slot)
            yield (
                "intent",
                after._replace(
                    rows=rows, batches=put(s.batches, batch, SENDING), behind=s.behind or s.saved is not None
                ),
                wrong,
            )
            if not broken("intent", facts._replace(is_alone=False), ends, self.without):
                yield "intent, not committed", after._replace(attempts=(*s.attempts, new._replace(state=NONE))), wrong

    def _free_id(self, s: State) -> int:
        used = {a.id for a in (*s.attempts, *(s.saved.attempts if s.saved else ()))}
        used |= {seen.attempt for seen in s.seen if seen is not None}
        return next(n for n in range(99) if n not in used)

    def _request(self, s: State, place: int, a: Attempt) -> Iterator[Next]:
        def to(**values: Any) -> State:
            return s._replace(attempts=put(s.attempts, place, a._replace(**values)))

        if a.at == PROMISED:
            yield "no connection", to(at=ANSWERED, reply=UNWRITTEN), ""
            # Before its commit, only its own process knows of it.
            facts = self._facts(s, a.batch, a._replace(state=OPEN) if a.state == NONE else a)
            if self._may("write", facts, {}):
                wrong = "a request leaves after the run was stopped" if s.stopped else ""
                yield "write", to(at=WRITTEN, due=True), wrong
        if a.due:
            for chosen in product((False, True), repeat=len(a.people)):
                has = tuple(p for p, is_stored in zip(a.people, chosen, strict=True) if is_stored)
                sent = tuple(min(n + (p in has), MOST) for p, n in enumerate(s.sent))
                yield f"the gateway stores {len(has)}", to(due=False, has=has)._replace(sent=sent), ""
        if a.at == WRITTEN:
            if self._trusts_failures:
                yield "failure", to(at=ANSWERED, reply=FAILURE), ""
            yield "reply lost", to(at=ANSWERED, reply=LOST), ""
            if not a.due and a.has:
                yield "replied", to(at=ANSWERED, reply=REPLIED), ""
            if not a.due and (not a.has or self.scope.wrong_refusals):
                yield "refusal", to(at=ANSWERED, reply=REFUSAL), ""
        if a.at == ANSWERED:
            yield from self._outcomes(s, place, a)
        if a.at != GONE:
            yield "crash", to(at=GONE, reply=""), ""
        # No look at a request is wrong once it has settled: until then, whatever arrived at all is stored.
        is_oldest = all(other.age > a.age for other in s.attempts[:place])
        if is_oldest and (a.age == FRESH or (a.age == LATE and not a.due)):
            yield "time passes", to(age=a.age + 1), ""
        if a.state == OPEN and a.age != FRESH:
            facts = self._facts(s, a.batch, a)
            for scheduler in range(self.scope.schedulers):
                if self._may("abandon", facts._replace(leads=scheduler == s.holder), {}):
                    after = to(state=UNKNOWN, ending=LOST)
                    wrong = "" if scheduler == s.holder else "somebody without the lease decides"
                    yield "abandon", after._replace(batches=put(s.batches, a.batch, UNKNOWN)), wrong

    def _outcomes(self, s: State, place: int, a: Attempt) -> Iterator[Next]:
        is_known = a.state != NONE
        rows_in_doubt = [p for p in a.people if s.rows[p] == (IN_DOUBT if is_known else PENDING)]
        facts = self._facts(s, a.batch, a if is_known else a._replace(state=OPEN))._replace(ending=a.reply, shown=a.has)
        if not is_known:  # the late commit of an intent, with its outcome
            people = {p: each._replace(state=IN_DOUBT) for p, each in facts.people.items()}
            facts = facts._replace(batch=SENDING, people=people)
        gone = s._replace(attempts=put(s.attempts, place, a._replace(at=GONE, reply="")))
        recorded = False
        if a.reply == REPLIED:
            ends = {p: ACCEPTED if p in a.has else FAILED for p in rows_in_doubt}
            if self._may("reply", facts, ends):
                recorded = True
                yield "reply", self._closed(gone, place, ends), ""
        else:
            ends = dict.fromkeys(rows_in_doubt, PENDING)
            if self._may("unsent", facts, ends):
                recorded = True
                after = self._closed(gone, place, ends)
                yield "unsent", self._slot_back(after, place, a), ""
            if a.reply != UNWRITTEN and self._may("doubt", facts, {}):
                recorded = True
                ending = REFUSAL if a.reply == REFUSAL else LOST  # nobody asks for more
                doubtful = put(gone.attempts, place, a._replace(at=GONE, state=UNKNOWN, ending=ending, reply=""))
                yield "doubt", gone._replace(attempts=doubtful, batches=put(s.batches, a.batch, UNKNOWN)), ""
        if not recorded:
            yield "too late", gone, ""

    def _closed(self, s: State, place: int, ends: Ends) -> State:
        a = s.attempts[place]
        rows = tuple(ends.get(p, row) for p, row in enumerate(s.rows))
        after = s._replace(rows=rows, attempts=put(s.attempts, place, a._replace(state=CLOSED, looks=(0, 0, 0))))
        return self._conclude(after, a.batch)

    def _slot_back(self, s: State, place: int, a: Attempt) -> State:
        if not a.slot:
            return s
        return s._replace(
            attempts=put(s.attempts, place, s.attempts[place]._replace(slot=False)),
            memory=max(s.memory - 1, min(s.memory, 0)),
        )

    # What schedulers do.

    def _found(self, s: State, batch: int) -> list[int]:
        """The people in doubt of a batch for whom there is a message that nobody has yet."""
        numbers = self.scope.numbers
        unclaimed = [0] * (max(numbers) + 1)
        for p in self._people:
            unclaimed[numbers[p]] += s.sent[p] - (s.rows[p] == ACCEPTED)
        return [p for p in self._mine[batch] if s.rows[p] == IN_DOUBT and unclaimed[numbers[p]] > 0]

    def _looks(self, s: State, scheduler: int) -> Iterator[Next]:
        for a in s.attempts:
            if a.state != UNKNOWN:
                continue
            found = tuple(self._found(s, a.batch))
            look = Look(True, a.age == SETTLED, True)
            looks = [Seen(a.id, found, look)]
            looks += [Seen(a.id, (), look._replace(control=False))] if self.scope.blind else []
            for seen in looks:
                if self.scope.stale:
                    name = "look" if seen.look.control else "a look that is wrongly empty"
                    yield name, s._replace(seen=put(s.seen, scheduler, seen)), ""
                else:
                    yield from self._decisions(s, scheduler, seen)

    def _decisions(self, s: State, scheduler: int, seen: Seen) -> Iterator[Next]:
        done = s._replace(seen=put(s.seen, scheduler, None))
        place = next((n for n, a in enumerate(s.attempts) if a.id == seen.attempt and a.state != NONE), None)
        if place is None:
            yield "nothing left to decide", done, ""
            return
        a = s.attempts[place]
        early, blind, vouched = a.looks
        if not seen.look.settled:
            early = min(early + self._counts_early, MOST)
        elif seen.look.control:
            vouched = min(vouched + 1, MOST)
        else:
            blind = min(blind + 1, MOST)
        kinds = (Look(True, False, True), early), (Look(True, True, False), blind), (Look(True, True, True), vouched)
        looks = tuple(look for look, count in kinds for _ in range(count))
        leads = scheduler == s.holder
        facts = self._facts(s, a.batch, a)._replace(looks=looks, leads=leads)
        wrong = "" if leads else "somebody without the lease decides"
        doubtful = [p for p in self._mine[a.batch] if s.rows[p] == IN_DOUBT]
        missed = [p for p in doubtful if p not in seen.found]
        found = dict.fromkeys((p for p in doubtful if p in seen.found), ACCEPTED)
        decided = False
        for to in (PENDING, HELD) if missed else (ACCEPTED,):
            ends = {**found, **dict.fromkeys(missed, to)}
            may_hold = to != HELD or (not decided and blind >= MOST)
            if may_hold and self._may("verdict", facts._replace(shown=[*facts.shown, *found]), ends):
                decided = True
                yield "verdict", self._closed(done, place, ends), wrong
        if not decided and leads and a.state == UNKNOWN:
            waits = a._replace(looks=(early, blind, vouched))
            yield "wait", done._replace(attempts=put(s.attempts, place, waits)), ""
        elif not decided:
            yield "nothing is recorded", done, ""
