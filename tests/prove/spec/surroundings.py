"""What happens around workers and schedulers: the throttle, people who leave, the lease, a database that is lost."""

from collections.abc import Iterator

from tests.prove.spec.protocol import (
    ACCEPTED,
    IN_DOUBT,
    NONE,
    PENDING,
    PLANNED,
    Ends,
    Facts,
    broken,
    concluded,
)  # fmt: skip
from tests.prove.spec.state import GONE, SETTLED, Next, Saved, Scope, State, put


class Surroundings:
    """A scope, the table without some of its rules, and every step that no request makes."""

    def __init__(self, scope: Scope, without: frozenset[str] = frozenset()) -> None:
        self.scope, self.without = scope, without
        self._people = tuple(range(len(scope.numbers)))
        self._mine = {b: tuple(p for p in self._people if scope.batches[p] == b) for b in set(scope.batches)}

    def _may(self, name: str, facts: Facts, ends: Ends) -> bool:
        return not broken(name, facts, ends, self.without)

    def _conclude(self, s: State, batch: int) -> State:
        return s._replace(batches=put(s.batches, batch, concluded([s.rows[p] for p in self._mine[batch]])))

    def _grants(self, s: State, live: int) -> Iterator[Next]:
        if not self.scope.limit or s.held + live >= self.scope.workers:
            return
        if s.memory < 0:
            recorded = sum(a.slot and a.state != NONE for a in s.attempts)
            for granted in {recorded, 0} if not s.held else ():
                if self._may("rebuild", Facts(granted=granted, recorded=recorded), {}):
                    yield "rebuild", s._replace(memory=granted), ""
        elif self._may("grant", Facts(granted=s.memory + 1, limit=self.scope.limit), {}):
            yield "grant", s._replace(memory=min(s.memory + 1, 9), held=s.held + 1), ""

    def _surroundings(self, s: State) -> Iterator[Next]:
        scope = self.scope
        if scope.limit:
            if s.held:
                yield "crash with a slot", s._replace(held=s.held - 1), ""
            else:  # no request takes longer between its grant and its intent than the pause before a ledger is read
                if s.memory > -1:
                    yield "memory lost", s._replace(memory=-1), ""
                yield (
                    "window over",
                    s._replace(memory=0, attempts=tuple(a._replace(slot=False) for a in s.attempts)),
                    "",
                )
        if scope.leaving:
            for p in self._people:
                if not s.left[p]:
                    row = scope.leaving if s.rows[p] == PENDING else s.rows[p]
                    yield "leave", s._replace(left=put(s.left, p, True), rows=put(s.rows, p, row)), ""
        if scope.stops:
            yield "resume" if s.stopped else "stop", s._replace(stopped=not s.stopped), ""
        if scope.schedulers > 1:
            yield from self._lease(s)
        if scope.backup and s.saved is None and not s.losses:
            yield "copy", s._replace(saved=Saved(s.rows, s.batches, s.attempts)), ""
        if scope.backup and s.saved is not None and not s.losses:
            yield "restore", self._restored(s, s.saved), ""
        if scope.loss and not s.losses:
            yield "lose", self._restored(s, Saved((NONE,) * len(s.rows), (NONE,) * len(s.batches), ())), ""
        if NONE in s.rows:
            yield "plan", s._replace(rows=(PENDING,) * len(s.rows), batches=(PLANNED,) * len(s.batches)), ""
        if s.restored and not any(a.due for a in s.attempts):  # it waits until the last has settled
            yield "recover", self._recovered(s), ""

    def _lease(self, s: State) -> Iterator[Next]:
        if not s.expired:
            yield "expire", s._replace(expired=True), ""
        for scheduler in range(self.scope.schedulers):
            if scheduler != s.holder and self._may("take", Facts(is_expired=s.expired), {}):
                yield "take", s._replace(holder=scheduler, expired=False), ""
            elif scheduler == s.holder and s.expired:
                yield "renew", s._replace(expired=False), ""

    def _restored(self, s: State, saved: Saved) -> State:
        """The processes have ended, and the database is the copy. Requests that it forgot may be on their way."""
        now = {a.id: a for a in s.attempts}
        known = []
        for was in saved.attempts:
            is_now = now.pop(was.id, was._replace(due=False, age=SETTLED))
            known.append(was._replace(at=GONE, reply="", due=is_now.due, has=is_now.has, age=is_now.age))
        known += [a._replace(at=GONE, reply="", state=NONE) for a in now.values()]
        has_forgotten = s.behind or saved.rows[0] == NONE
        return s._replace(
            rows=saved.rows, batches=saved.batches, attempts=tuple(known), seen=(None,) * len(s.seen), losses=1,
            saved=None, behind=False, restored=has_forgotten,
        )  # fmt: skip

    def _recovered(self, s: State) -> State:
        """Messages that nobody has go to whoever waits for them, or are kept for whoever is planned."""
        found = [sent > 0 and row in {PENDING, IN_DOUBT, NONE} for row, sent in zip(s.rows, s.sent, strict=True)]
        rows = tuple(ACCEPTED if is_found and row != NONE else row for row, is_found in zip(s.rows, found, strict=True))
        before = tuple(is_found and row == NONE for row, is_found in zip(s.rows, found, strict=True))
        after = s._replace(rows=rows, before=before, restored=False)
        for batch in self._mine:
            if s.batches[batch] == PLANNED:
                after = self._conclude(after, batch)
        return after
