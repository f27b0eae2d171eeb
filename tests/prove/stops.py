"""People write STOP while a campaign is sent to them, and half of the webhook's calls get lost on the way.

`python -m tests.prove.stops --people 5000 --rate 50 --stops 200 --poll 5 --seed N`. The product is `campaigns up` in
its own process; with `--fleet`, it is a scheduler, two workers and a dashboard on Redis and PostgreSQL. The database is
watched from outside to see when something was stored; the ledger says what was sent.
"""

import argparse
import json
import random
import socket
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

import sqlalchemy as sa
from sqlmodel import col, select

from campaigns.lifecycle import RecipientState
from campaigns.optout import Meaning
from campaigns.optout.words import LANGUAGES
from tests.prove.record.lines import recording
from tests.prove.world.evidence import read_ledger
from tests.prove.world.product import QUICK, Audience, Product, write_campaign
from tests.prove.world.stage import TIED, Backing, backed, kill, wait_until
from tests.support.nursery import Sandbox
from worker.sandbox.running.options import SandboxOptions
from worker.store.engine import Store
from worker.store.models import Attempt, Inbound, Recipient
from worker.store.people import suppressions
from worker.store.reports import counts
from worker.store.runs.runs import RunView, find_run

KEY: Final = "key-of-the-proof-4711"
CAMPAIGN: Final = "stops"
SLACK: Final = timedelta(seconds=2)
"""What a look for replies may take on top of its pause."""

SEND_BY: Final = timedelta(seconds=float(QUICK["CAMPAIGNS_SEND_BY_SECONDS"]))
LOOK_SECONDS: Final = 0.05
NEAR: Final = ("do not text me again", "non voglio più messaggi", "sotp", "Bitte keine SMS mehr schicken")
PLAIN: Final = ("Thanks!", "ok", "Grazie mille, ci vediamo domani", "nonstop", "YES")


@dataclass(frozen=True, slots=True)
class Trial:
    """The number of people and texts a second; `lost` is the share (0..1) of the webhook's calls that get lost."""

    people: int
    rate: int
    stops: int
    poll_seconds: float
    lost: float
    seed: int


@dataclass(frozen=True, slots=True)
class Written:
    """What somebody wrote: when the gateway had it, and what it means."""

    number: str
    text: str
    meaning: Meaning
    gateway_id: int
    at: datetime


@dataclass
class Outcome:
    """The findings. `violations` is what must not be; delays are seconds from the gateway to the database."""

    states: dict[RecipientState, int]
    by: Counter[str]
    languages: int
    delays: dict[str, list[float]]
    violations: list[str] = field(default_factory=list)


@contextmanager
def _lossy(lost: float, seed: int) -> Iterator[tuple[str, list[str]]]:
    """A relay between the sandbox's webhook and the product's: its address, and the list of targets for calls."""
    target: list[str] = []
    rng = random.Random(seed)

    class Relay(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status = 200
            if rng.random() >= lost:
                headers = {name: self.headers[name] for name in ("Content-Type", "X-SG-SIGNATURE")}
                request = urllib.request.Request(target[0], body, headers)
                try:
                    with urllib.request.urlopen(request, timeout=5) as reply:
                        status = reply.status
                except urllib.error.HTTPError as error:
                    status = error.code
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing: calls contain numbers."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Relay)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/", target
    finally:
        server.shutdown()
        server.server_close()


class _Watch:
    """Notes when another connection first sees each reply in the database: its transaction was committed before."""

    def __init__(self, store: Store) -> None:
        self.seen: dict[int, datetime] = {}
        self._store = store
        self._has_ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self) -> None:
        while not self._has_ended.wait(LOOK_SECONDS):
            with self._store.read() as session:
                stored = session.exec(select(Inbound.gateway_id)).all()
            now = datetime.now(UTC)
            for id_ in stored:
                self.seen.setdefault(id_, now)

    def end(self) -> None:
        self._has_ended.set()
        self._thread.join()


def prove(trial: Trial, folder: Path, backing: Backing) -> Outcome:
    """Run one trial in an empty folder, with an empty database."""
    inbox = folder / "inbox"
    inbox.mkdir(parents=True)
    ledger = folder / "ledger.jsonl"
    port = _free_port()
    with _lossy(trial.lost, trial.seed) as (relay, target):
        target.append(f"http://127.0.0.1:{port}/webhook/inbound")
        options = SandboxOptions(
            key=KEY, ledger=ledger, webhook=relay, pace_per_second=1_000, delivery_min_seconds=0.1,
            delivery_max_seconds=0.4,
        )  # fmt: skip
        with Sandbox.start(options) as sandbox:
            product = Product(
                folder, gateway_url=sandbox.url, key=KEY, database_url=backing.database_of(folder),
                redis_url=backing.redis_url, inbox=str(inbox), http=f"127.0.0.1:{port}",
                reply_poll_seconds=str(trial.poll_seconds),
            )  # fmt: skip
            service = [product.fork(command, victim=TIED) for command in backing.commands]
            try:
                return _tried(trial, folder, sandbox.url, ledger, backing.database_of(folder))
            finally:
                for process in service:
                    kill(process)


def _tried(trial: Trial, folder: Path, url: str, ledger: Path, database_url: str) -> Outcome:
    more = f"  rate: {trial.rate}/second\nfollow: {{until: 60s}}\n"
    draft = folder / "draft"
    draft.mkdir()
    audience = write_campaign(draft, CAMPAIGN, recipients=trial.people, batch_size=max(1, trial.rate // 5), more=more)
    for path in (draft / f"{CAMPAIGN}.csv", audience.path):
        path.replace(folder / "inbox" / path.name)
    seconds = trial.people / trial.rate
    if not wait_until(lambda: ledger.exists() and ledger.stat().st_size > 0, 60):
        raise TimeoutError("nothing was sent within a minute")
    store = Store(database_url)
    watch = _Watch(store)
    try:
        written = _write_all(trial, audience, url, seconds * 0.9)
        wait_until(lambda: all(w.gateway_id in watch.seen for w in written), trial.poll_seconds * 3 + 10)
        wait_until(lambda: _run(store).finished_at is not None, seconds + 90)
    finally:
        watch.end()
    outcome = _judged(trial, store, written, watch.seen, ledger, audience)
    store.close()
    return outcome


def _write_all(trial: Trial, audience: Audience, url: str, seconds: float) -> list[Written]:
    """People write at random moments: stops in every language, near-misses, and other texts."""
    rng = random.Random(trial.seed)
    words = [word for language in LANGUAGES.values() for word in language.stop]
    languages = [language.stop[-1] for language in LANGUAGES.values()]
    texts = [(Meaning.STOP, languages[n] if n < len(languages) else rng.choice(words)) for n in range(trial.stops)]
    texts += [(Meaning.REVIEW, rng.choice(NEAR)) for _ in range(trial.stops // 10)]
    texts += [(Meaning.REPLY, rng.choice(PLAIN)) for _ in range(trial.stops // 2)]
    rng.shuffle(texts)
    numbers = rng.sample(sorted(audience.eligible), len(texts))
    began = time.monotonic()
    written = []
    for moment, number, (meaning, text) in zip(
        sorted(rng.uniform(0, seconds) for _ in texts), numbers, texts, strict=True
    ):
        time.sleep(max(0.0, began + moment - time.monotonic()))
        form = urlencode({"number": number, "message": text, "key": KEY}).encode()
        with urllib.request.urlopen(f"{url}/sandbox/inbound", form, 10) as reply:
            row = json.load(reply)["data"]["messages"][0]
        written.append(Written(number, text, meaning, int(row["ID"]), datetime.now(UTC)))
    return written


def _run(store: Store) -> RunView:
    with store.read() as session:
        run = find_run(session, CAMPAIGN)
    if run is None:
        raise LookupError("the campaign was not accepted")
    return run


def _judged(
    trial: Trial,
    store: Store,
    written: Sequence[Written],
    seen: dict[int, datetime],
    ledger: Path,
    audience: Audience,
) -> Outcome:
    sent: dict[str, list[float]] = {}
    for line in read_ledger(ledger):
        sent.setdefault(line.number, []).append(line.accepted_at)
    with store.read() as session:
        states = counts.books(session, _run(store).id).by_state
        stored = {row.gateway_id: row for row in session.exec(select(Inbound))}
        listed = {entry.number for entry in suppressions.in_force(session)}
        told: dict[str, RecipientState] = {row.number: row.state for row in session.execute(_PEOPLE)}
        promised: dict[str, datetime] = {row.number: row.at for row in session.execute(_LAST_PROMISES)}
    outcome = Outcome(states, Counter(row.came_by for row in stored.values()), 0, {"webhook": [], "poll": []})
    stopped = {w.number for w in written if w.meaning is Meaning.STOP}
    complain = outcome.violations.append
    for w in written:
        row, name = stored.get(w.gateway_id), f"reply {w.gateway_id}"
        if row is None:
            complain(f"{name} was never stored")
            continue
        delay = (seen[w.gateway_id] - w.at).total_seconds()
        outcome.delays[row.came_by].append(delay)
        if delay > trial.poll_seconds + SLACK.total_seconds():
            complain(f"{name} was stored {delay:.1f} s after the gateway had it")
        if row.meaning != w.meaning:
            complain(f"{name} ({w.text}) was taken for {row.meaning}")
        if w.meaning is not Meaning.STOP:
            continue
        at = promised.get(w.number)
        if at is not None and at > seen[w.gateway_id]:
            complain(f"an intent came {at - seen[w.gateway_id]} after {name} was stored")
        late = [t for t in sent.get(w.number, ()) if t > (seen[w.gateway_id] + SEND_BY).timestamp()]
        if late:
            complain(f"a text went to the sender of {name} after it was stored")
    outcome.languages = len({w.text for w in written if w.meaning is Meaning.STOP})
    if listed != stopped:
        complain(f"{len(listed ^ stopped)} numbers are on the list wrongly, or missing there")
    if sum(states.values()) != audience.rows:
        complain(f"the states add up to {sum(states.values())}, the audience has {audience.rows}")
    for number in audience.eligible:
        copies, state = len(sent.get(number, ())), told.get(number)
        if copies != (0 if state is RecipientState.SUPPRESSED else 1):
            complain(f"…{number[-4:]} is {state}, and was sent {copies} texts")
        if state is RecipientState.SUPPRESSED and number not in stopped:
            complain(f"…{number[-4:]} is suppressed, and never wrote STOP")
    return outcome


_PEOPLE: Final = sa.select(col(Recipient.number), col(Recipient.state)).where(col(Recipient.occurrence) == 0)
_LAST_PROMISES: Final = (
    sa.select(col(Recipient.number), sa.func.max(col(Attempt.started_at)).label("at"))
    .join(Attempt, col(Attempt.batch_id) == col(Recipient.batch_id))
    .where(col(Recipient.attempts) > 0, col(Recipient.occurrence) == 0)
    .group_by(col(Recipient.number))
)
"""The time at which the last request with a number was promised, by number."""


def table(trial: Trial, outcome: Outcome) -> str:
    """What was tried and found, one item per line."""
    lines = [
        (
            f"{trial.people:,} people at {trial.rate}/s, {trial.stops} stops, {trial.lost:.0%} of the webhook lost,"
            f" a look every {trial.poll_seconds:g} s, seed {trial.seed}"
        ),
        f"  {', '.join(f'{count:,} {state.value}' for state, count in outcome.states.items())}",
        f"  {outcome.languages} different words for stop",
    ]
    for way, delays in outcome.delays.items():
        if delays:
            lines.append(
                f"  by {way}: {len(delays)} replies, stored after {sorted(delays)[len(delays) // 2]:.2f} s (median),"
                f" {max(delays):.2f} s at most"
            )
    return "\n".join(
        [*lines, f"  violations: {len(outcome.violations)}", *(f"    {v}" for v in outcome.violations[:20])]
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def main() -> int:
    """The command; returns 1 if something was violated."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=5_000)
    parser.add_argument("--rate", type=int, default=50)
    parser.add_argument("--stops", type=int, default=200)
    parser.add_argument("--poll", type=float, default=5.0)
    parser.add_argument("--lost", type=float, default=0.5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--fleet", action="store_true")
    given = parser.parse_args()
    trial = Trial(given.people, given.rate, given.stops, given.poll, given.lost, given.seed)
    with (
        recording("stops fleet" if given.fleet else "stops", seed=given.seed) as record,
        tempfile.TemporaryDirectory() as folder,
        backed(as_fleet=given.fleet) as backing,
    ):
        outcome = prove(trial, Path(folder), backing)
        replies = outcome.by.total()
        record.add({"people": trial.people, "stops": trial.stops, "replies": replies}, broken=len(outcome.violations))
    sys.stdout.write(table(trial, outcome) + "\n")
    return 1 if outcome.violations else 0


if __name__ == "__main__":
    sys.exit(main())
