"""Replays a whole run: every life of its database, and the ledger of its gateway."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from tests.prove.spec.book import Commit
from tests.prove.spec.observed import AT_ONCE_SECONDS, Replayed, Request
from tests.prove.spec.protocol import CLOSED, NONE, OPEN, Facts, broken
from tests.prove.spec.replay import Replay
from tests.prove.world.evidence import Stored


def check_ledger(lives: Sequence[Replay], ledger: Mapping[int, Stored]) -> Replayed:
    """Check that each message was stored for somebody whose request was promised and not concluded yet."""
    result = Replayed()
    by_number: dict[str, list[Request]] = defaultdict(list)
    for life in lives:
        for request in life.requests.values():
            for id_ in request.people:
                by_number[life.rows[id_].number].append(request)
    for message in ledger.values():
        state = NONE
        for request in by_number[message.number]:
            if request.promised_at > message.accepted_at + AT_ONCE_SECONDS:
                continue
            is_open = request.closed_at is None or message.accepted_at <= request.closed_at + AT_ONCE_SECONDS
            state = OPEN if is_open or state == OPEN else CLOSED
        about = f"message {message.id} of request {message.request}"
        result.count("store", 1, broken("store", Facts(attempt=state), {}), about)
    return result


def replay(
    lives: Sequence[Sequence[Commit]],
    ledger: Iterable[Stored],
    *,
    settle_seconds: float,
    limit: tuple[int, float] = (0, 1.0),
) -> Replayed:
    """Replay every life of a run's database: the first, and one more after each time that it was lost or put back.

    A life that begins with what an earlier one had committed counts from there on.
    """
    stored = {message.id: message for message in ledger}
    played: list[Replay] = []
    total = Replayed()
    for number, commits in enumerate(lives):
        life = Replay(stored, settle_seconds, limit)
        shared = _shared(lives[:number], commits)
        life.play(commits[:shared])
        if played:
            life.behind = _is_behind(life, played[-1], shares=shared == _shared(lives[number - 1 : number], commits))
        if life.behind and shared < len(commits):
            for message in stored.values():
                if message.accepted_at < commits[shared].at:
                    life.forgotten.setdefault(message.number, []).append(" ".join(message.text.split()))
        life.result = Replayed()
        life.play(commits[shared:])
        played.append(life)
    for found in (*(life.result for life in played), check_ledger(played, stored)):
        total.add(found)
    return total


def _is_behind(life: Replay, previous: Replay, *, shares: bool) -> bool:
    """Whether requests were made that a database does not know: later than those that it has, or by another one."""
    return max(life.requests, default=0) < max(previous.requests, default=0) if shares else bool(previous.requests)


def _shared(earlier: Sequence[Sequence[Commit]], commits: Sequence[Commit]) -> int:
    """How many commits a life has from an earlier one."""
    most = 0
    for other in earlier:
        same = 0
        for mine, theirs in zip(commits, other, strict=False):
            if mine != theirs:
                break
            same += 1
        most = max(most, same)
    return most


def table(result: Replayed, most: int = 20) -> str:
    """The figures in words, and the first changes that are in no step."""
    steps = ", ".join(f"{name} {count:,}" for name, count in sorted(result.steps.items()))
    head = f"{result.validated:,} transitions validated, {result.outside:,} not in the model"
    return "\n".join([head, f"  {steps}", *(f"NOT IN THE MODEL: {each}" for each in result.problems[:most])])
