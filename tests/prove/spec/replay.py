"""Checks what a run has committed against the table: each change must be a step of it.

Only what the book shows is believed. Who looked at the gateway, when, and what it showed, stands in the evidence of an
attempt; whether the gateway really has a message, in its ledger.
"""

from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tests.prove.spec.book import Commit, Entry
from tests.prove.spec.observed import BECOMES, ENDINGS, REFUSED_AS, Noted, Replayed, Request, Row, moment
from tests.prove.spec.protocol import (
    ACCEPTED,
    CLOSED,
    HELD,
    IN_DOUBT,
    LOST,
    NONE,
    PENDING,
    REFUSAL,
    REPLIED,
    UNKNOWN,
    Ends,
    Facts,
    Look,
    Person,
    broken,
    concluded,
)  # fmt: skip
from tests.prove.world.evidence import Stored


@dataclass
class Replay:
    """One database's life. `settle_seconds` is the setting; `limit` that of each run, as (segments, seconds), 0: none.

    `behind`: it was lost or restored, and requests were made that it does not know. `forgotten`: the texts of messages
    from before, by number.
    """

    ledger: Mapping[int, Stored]
    settle_seconds: float
    limit: tuple[int, float] = (0, 1.0)
    behind: bool = False
    result: Replayed = field(default_factory=Replayed)
    rows: dict[int, Row] = field(default_factory=dict)
    batches: dict[int, str] = field(default_factory=dict)
    runs: dict[int, int] = field(default_factory=dict)
    people: dict[int, set[int]] = field(default_factory=lambda: defaultdict(set))
    requests: dict[int, Request] = field(default_factory=dict)
    latest: dict[int, Request] = field(default_factory=dict)
    doubts: Counter[str] = field(default_factory=Counter)
    gone: Counter[str] = field(default_factory=Counter)
    before: dict[int, tuple[str, str]] = field(default_factory=dict)
    forgotten: dict[str, list[str]] = field(default_factory=dict)
    account: str = ""
    stopped: set[int] = field(default_factory=set)
    leader: str = ""
    grants: dict[int, deque[tuple[float, int, int]]] = field(default_factory=lambda: defaultdict(deque))

    def play(self, commits: Iterable[Commit]) -> None:
        """Check every commit, in order."""
        for commit in commits:
            self._commit(commit)

    def _commit(self, commit: Commit) -> None:
        texts: dict[int, list[Entry]] = defaultdict(list)
        moves: dict[int, list[Entry]] = defaultdict(list)
        attempts: dict[int, list[Entry]] = defaultdict(list)
        for entry in commit.entries:
            if entry.what == "text":
                texts[entry.id].append(entry)
            elif entry.what == "batch":
                moves[entry.id].append(entry)
            elif entry.what == "attempt":
                attempts[entry.of].append(entry)
            else:
                self._around(entry)
        ends: dict[int, dict[int, str]] = defaultdict(dict)
        new: dict[int, list[Entry]] = defaultdict(list)
        for id_, found in texts.items():
            if not found[0].was:  # a plan that was begun anew may use an id again
                new[found[-1].of].append(found[-1]._replace(detail=found[0].detail))
            elif found[-1].becomes != self.rows[id_].state:
                ends[self.rows[id_].batch][id_] = found[-1].becomes
        for batch in ends.keys() | attempts.keys() | moves.keys():
            self._batch(commit, batch, ends.get(batch, {}), moves.get(batch, []), attempts.get(batch, []), texts)
        for batch, found in new.items():
            self._plan(batch, found)
        for id_, found in texts.items():
            row = self.rows[id_]
            if found[-1].of != row.batch:  # its batch was split
                self.people[row.batch].discard(id_)
                self.people[found[-1].of].add(id_)
                row.batch = found[-1].of

    def _plan(self, batch: int, entries: Sequence[Entry]) -> None:
        why = [f"planned as {entry.becomes}" for entry in entries if entry.becomes == IN_DOUBT]
        self.result.count("plan", 1, why, f"batch {batch}")
        for entry in entries:
            number, _, text = entry.detail.partition("|")
            self.rows[entry.id] = Row(number, " ".join(text.split()), batch, entry.becomes)
            self.people[batch].add(entry.id)

    def _around(self, entry: Entry) -> None:
        """What is not a row of a request, but decides about it."""
        if entry.what == "account":
            if entry.was == "quarantine" and entry.becomes != "quarantine":
                self.behind = False
            self.account = entry.becomes
        elif entry.what == "run":
            (self.stopped.discard if entry.becomes == "running" else self.stopped.add)(entry.id)
        elif entry.what == "left":
            self.gone[entry.detail] += 1 if entry.becomes == "left" else -1
        elif entry.what == "before":
            if entry.becomes:
                number, _, text = entry.detail.partition("|")
                self.before[entry.id] = number, " ".join(text.split())
            else:
                self.before.pop(entry.id, None)
        elif entry.what == "lease" and entry.was == "clock":
            self.leader = entry.becomes.split()[1]  # "process 123 on HOST"
            self.result.count("take", 1, [], "")

    def _person(self, id_: int) -> Person:
        row = self.rows[id_]
        texts = [text for number, text in self.before.values() if number == row.number]
        kept = any(row.text in text for text in (*texts, *self.forgotten.get(row.number, ())))
        doubts = self.doubts[row.number] - (row.state == IN_DOUBT)
        return Person(row.state, doubts > 0, self.gone[row.number] > 0, kept)

    def _batch(
        self, commit: Commit, batch: int, ends: Ends, moves: Sequence[Entry], attempts: Sequence[Entry],
        texts: Mapping[int, Sequence[Entry]],
    ) -> None:  # fmt: skip
        was, becomes = self.batches.get(batch, NONE), moves[-1].becomes if moves else self.batches.get(batch, NONE)
        request = self.latest.get(batch)
        of_request = bool(attempts)
        around = sorted(self.people[batch]) if of_request else sorted(ends)
        facts = Facts(
            was, request.state if request else NONE, {id_: self._person(id_) for id_ in around},
            shown=[id_ for id_, to in ends.items() if to == ACCEPTED and self._has(id_, texts[id_][-1])],
            is_stopped=self.account not in {"", "nobody"} or self.runs.get(batch) in self.stopped,
            is_restored=self.behind, leads=commit.by == self.leader or not self.leader,
        )  # fmt: skip
        for step, facts_of_step, moved in self._steps(facts, ends, attempts, commit):
            why = broken(step, facts_of_step, moved)
            if of_request and step != "grant":
                why += self._leftovers(step, facts, ends, becomes)
            changes = len(moved) + (bool(moves) + len(attempts) if of_request else 0)
            changes = 1 if step == "grant" else changes
            self.result.count(step, changes, why, f"batch {batch} at {commit.at:.2f}")
        if not of_request and moves:
            why = broken("wait", Facts(people={0: Person(was)}), {0: becomes}) if becomes != was else []
            self.result.count("wait", 1, why, f"batch {batch} at {commit.at:.2f}")
        self._apply(commit, batch, ends, moves, attempts, texts)

    def _steps(
        self, facts: Facts, ends: Ends, attempts: Sequence[Entry], commit: Commit
    ) -> Iterator[tuple[str, Facts, Ends]]:
        if not attempts:
            for step, state in (("leave", PENDING), ("resolve", HELD), ("recover", IN_DOUBT)):
                moved = {id_: to for id_, to in ends.items() if facts.people[id_].state == state}
                if moved:
                    yield step, facts, moved
            others = {id_: to for id_, to in ends.items() if facts.people[id_].state not in {PENDING, HELD, IN_DOUBT}}
            if others:
                yield "receipt", facts, others
            return
        last = attempts[-1]
        noted = Noted.of(last.detail)
        if not attempts[0].was:
            granted, limit = self._granted(attempts[0].of, last.id, noted)
            if self.limit[0]:
                yield "grant", facts._replace(granted=granted, limit=limit), {}
            yield "intent", facts._replace(is_alone=len(attempts) == 1), ends
            return
        is_late = commit.at >= noted.send_by.timestamp()
        ending = ENDINGS.get(str(noted.evidence.get("failure")), LOST)
        facts = facts._replace(attempt=self.requests[last.id].state, ending=ending, is_late=is_late)
        if last.becomes == UNKNOWN:
            lost = noted.evidence.get("failure") == "process_lost"
            yield "abandon" if lost else "doubt", facts, ends
        elif noted.outcome == "not_sent":
            yield "unsent", facts, ends
        elif "verdict" in noted.evidence:
            was = self.requests[last.id].outcome
            looks = tuple(self._looks(noted))
            yield "verdict", facts._replace(looks=looks, ending=REFUSAL if was in REFUSED_AS else LOST), ends
        else:
            yield "reply", facts._replace(ending=REPLIED), ends

    def _looks(self, noted: Noted) -> Iterator[Look]:
        settled_at = noted.send_by.timestamp() + self.settle_seconds
        for look in noted.evidence["looks"]:
            at = moment(look["at"]).timestamp()
            yield Look(look["complete"], at >= settled_at, bool(look["control"]))

    def _granted(self, batch: int, attempt: int, noted: Noted) -> tuple[int, int]:
        """The segments of the run in the window that ends with this grant, and how many there may be."""
        most, seconds = self.limit
        if noted.granted_at is None:
            return 0, 1
        at, grants = noted.granted_at.timestamp(), self.grants[self.runs[batch]]
        grants.append((at, noted.segments, attempt))
        while grants[0][0] < at - 60 - seconds:
            grants.popleft()
        inside = sum(
            segments for when, segments, id_ in grants
            if at - seconds < when <= at and (id_ == attempt or self.requests[id_].outcome != "not_sent")
        )  # fmt: skip
        return inside, max(most, noted.segments)

    def _has(self, id_: int, entry: Entry) -> bool:
        found = self.ledger.get(int(entry.detail or 0))
        return found is not None and found.number == self.rows[id_].number

    def _leftovers(self, step: str, facts: Facts, ends: Ends, becomes: str) -> list[str]:
        """Who was passed over by an intent without a reason, and a batch that does not say how its request ended."""
        if step in BECOMES:
            passed_over = step == "intent" and any(
                person.state == PENDING and id_ not in ends and not person.elsewhere
                for id_, person in facts.people.items()
            )
            found = ["somebody who waits is left out"] if passed_over else []
            return found if becomes == BECOMES[step] else [*found, f"a batch that becomes {becomes}"]
        states = []
        for id_, person in facts.people.items():
            state = ends.get(id_, person.state)
            has_message = state not in {PENDING, IN_DOUBT, HELD} and (state == ACCEPTED or self.rows[id_].gateway_id)
            states.append(ACCEPTED if has_message else state)
        should = concluded(states)
        return [] if becomes == should else [f"a batch that becomes {becomes} and not {should}"]

    def _apply(
        self, commit: Commit, batch: int, ends: Ends, moves: Sequence[Entry], attempts: Sequence[Entry],
        texts: Mapping[int, Sequence[Entry]],
    ) -> None:  # fmt: skip
        for entry in moves:
            if not entry.was:
                self.people[batch] = set()
            self.batches[batch], self.runs[batch] = entry.becomes, entry.of
        for id_, to in ends.items():
            row = self.rows[id_]
            self.doubts[row.number] += (to == IN_DOUBT) - (row.state == IN_DOUBT)
            row.state = to
            row.gateway_id = int(texts[id_][-1].detail or 0) if to == ACCEPTED else row.gateway_id
        for entry in attempts:
            if not entry.was:
                promised = tuple(id_ for id_, to in ends.items() if to == IN_DOUBT)
                self.requests[entry.id] = self.latest[batch] = Request(entry.id, batch, promised, commit.at)
            request = self.requests[entry.id]
            request.state, request.outcome = entry.becomes, Noted.of(entry.detail).outcome
            if entry.becomes == CLOSED and request.closed_at is None:
                request.closed_at = commit.at
