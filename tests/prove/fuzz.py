"""Hundreds of thousands of hostile and broken inputs: each gets a clear answer, quickly, and stops nothing else.

    python -m tests.prove.fuzz --count 200000 --seed 1 --at-once 2

A tenth of them are campaign files, a tenth webhook calls over real sockets, a tenth people's replies, a fifth the
gateway's replies to every call that the client knows, and half are tables in five formats, which are checked and
accepted into a real database. Each must end within a second of CPU time, with its process within 200 MB of its start,
and with a value or one of the errors that the product shows to people. No log, error or reason may hold a traceback, a
cell, a text, a number or the key. After every hundred, a sound input of the same kind must still work.
"""

import argparse
import io
import json
import logging
import multiprocessing
import random
import resource
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import httpx
from pydantic import SecretStr
from sqlmodel import col, select

from campaigns.audience import AudienceProblem
from campaigns.problems import CampaignFileError
from scheduler.intake.outcome import EditRefused
from scheduler.intake.taking import read_file, take_up
from scheduler.receipts.storing import store_receipts
from scheduler.replies.inbound import take_in
from tests.memory import folder_in_memory
from tests.protocol.world.harness import Installation
from tests.prove.record.lines import recording
from tests.prove.world import fuzz_inputs as inputs
from tests.scheduler.web.caller import FORM, KEY, Door, message, post, push, signed
from tests.support.clocks import START, FakeClock
from worker.gateway import GatewayClient, GatewayError, MessageStatus, OutgoingMessage
from worker.gateway.wire import parse_messages
from worker.logs import configure_logs
from worker.store.engine import Store
from worker.store.migrate import migrate
from worker.store.models import Recipient

MOST_SECONDS: Final = 1.0
MOST_BYTES: Final = 200 * 2**20
CANARY_EVERY: Final = 100
STUCK_SECONDS: Final = 60.0
GATEWAY_KEY: Final = f"{inputs.MARK}-k3y"
SECRETS: Final = (inputs.MARK, inputs.NUMBER_MARK, KEY)

TABLE: Final = (
    "campaign: {name}\nmessage: \"Hi {{{{ first_name | default('there') }}}} {{{{ points | default('') }}}}\"\n"
    "audience: {audience}\n{more}"
)
REMIND: Final = "schedule: {remind: {column: at, before: [24h]}}\n"


class World:
    """One process's database, gateway client and front door, and its logs."""

    def __init__(self, folder: Path, log: io.StringIO, stack: ExitStack) -> None:
        self.folder, self.log = folder, log
        self.store = Store(f"sqlite:///{folder / 'fuzz.db'}")
        stack.callback(self.store.close)
        migrate(self.store)
        self.bench = stack.enter_context(_closing(Installation(folder, self.store, FakeClock())))
        self.door = stack.enter_context(Door(self.bench.runtime))
        self.answer = httpx.Response(200)
        self.client = GatewayClient(
            "https://sms.example/",
            SecretStr(GATEWAY_KEY),
            clock=FakeClock(),
            transport=httpx.MockTransport(lambda _request: self.answer),
        )
        self.number = 0
        self.is_inline = False  # whether the people of this input are in the campaign file itself

    def new_name(self) -> str:
        self.number += 1
        return f"fuzz-{self.number}"


@contextmanager
def _closing(bench: Installation) -> Iterator[Installation]:
    yield bench
    bench.close()


# Each kind returns what is reported of an input. It raises what the product shows to people; anything else is a fault.


def take_table(world: World, rng: random.Random) -> list[str]:
    """A table of one of five formats: checked, planned and stored."""
    name = world.new_name()
    kind = rng.choice([*inputs.TABLES, "inline"])
    more = REMIND if rng.random() < 0.2 else ""
    world.is_inline = kind == "inline"
    if world.is_inline:
        head, *body = inputs.rows(rng) or [list(inputs.HEADS)]
        people = [dict(zip(head, row, strict=False)) | {"number": inputs.number(rng)} for row in body]
        audience = json.dumps([{"recipients": people}])
    else:
        table = world.folder / f"{name}.{kind}"
        table.write_bytes(inputs.TABLES[kind](rng))
        audience = f"{{file: {table.name}, number: phone}}"
    try:
        run_id = world.bench.drop(TABLE.format(name=name, audience=audience, more=more), name).run_id
    finally:
        for path in world.folder.glob(f"{name}.*"):
            path.unlink()
    with (
        world.store.read() as session
    ):  # the one column: 15,000 people as objects cost half as much as accepting them does
        return list(session.scalars(select(Recipient.reason).where(col(Recipient.run_id) == run_id)))


def take_campaign_file(world: World, rng: random.Random) -> list[str]:
    name = world.new_name()
    (world.folder / "people.csv").write_text("phone,first_name,at\n+393339876001,Anna,2026-12-05 10:00\n")
    path = world.folder / f"{name}.yaml"
    path.write_bytes(inputs.campaign_file(rng, name))
    try:
        take_up(world.bench.runtime, read_file(path, world.bench.settings, now=START), source=path.name)
    finally:
        path.unlink()
    return []


def ask_gateway(world: World, rng: random.Random) -> list[str]:
    """A reply to any of the calls, with what it shows stored."""
    world.answer = httpx.Response(
        rng.choice((200, 200, 200, 200, 500, 404, 302)),
        content=inputs.reply_body(rng),
        headers={"Retry-After": rng.choice(("5", "-1", "x", "9" * 30))} if rng.random() < 0.2 else {},
    )
    client, start = world.client, START
    texts = [OutgoingMessage(f"+39{inputs.NUMBER_MARK}{n:03}", f"{inputs.SENT} {n}") for n in range(3)]
    calls: Sequence[Callable[[], Any]] = (
        lambda: client.send_bulk(texts),
        lambda: client.send_one(texts[0].number, texts[0].text),
        client.balance,
        lambda: client.send_to_list(7, texts[0].text),
        lambda: client.read_group(")V5*"),
        lambda: client.read_message(7),
        lambda: client.read_status(MessageStatus.SENT, start, start + timedelta(hours=1)),
        lambda: client.unsubscribe_contact(7, texts[0].number),
    )
    call = rng.choice(calls)
    try:
        got = call()
    except GatewayError as error:
        if call not in calls[:2]:  # what another call's reply quotes is not one of its own texts
            error.evidence = {}
        raise
    if isinstance(got, tuple):
        store_receipts(world.bench.runtime, got)
    return []


def hear(world: World, rng: random.Random) -> list[str]:
    """People's replies, as a look for replies brings them."""
    made = parse_messages(json.loads(json.dumps([inputs.message_row(rng, "Received") for _ in range(3)])))
    runtime = world.bench.runtime
    if made:
        take_in(
            world.store,
            runtime.settings,
            runtime.account_id,
            made,
            came_by="poll",
            rehearsal=False,
            now=world.bench.clock.now(),
        )
    return []


def call_webhook(world: World, rng: random.Random) -> list[str]:
    field = inputs.webhook_field(rng)
    headers = {"Content-Type": FORM, "X-SG-SIGNATURE": signed(field)} if rng.random() < 0.9 else {"X-SG-SIGNATURE": "x"}
    status = post(world.door.url, inputs.webhook_body(field, rng), headers)
    return [] if status in {200, 400, 401, 413} else [f"the webhook answered {status}"]


def canary_table(world: World) -> bool:
    name = world.new_name()
    (world.folder / f"{name}.csv").write_text(f"phone,first_name\n+39{inputs.NUMBER_MARK}001,Anna\n")
    run_id = world.bench.drop(
        TABLE.format(name=name, audience=f"{{file: {name}.csv, number: phone}}", more=""), name
    ).run_id
    return [row.text for row in world.bench.recipients(run_id)] == ["Hi Anna "]


def canary_gateway(world: World) -> bool:
    world.answer = httpx.Response(200, json={"success": True, "data": {"credits": "5"}, "error": None})
    return world.client.balance().credits == 5


def canary_webhook(world: World) -> bool:
    world.number += 1
    return push(world.door.url, [message(2 * 10**6 + world.number, "hello")]) == 200


Take = Callable[[World, random.Random], list[str]]
KINDS: Final[Mapping[str, tuple[int, Take, Callable[[World], bool]]]] = {
    "table": (50, take_table, canary_table),
    "campaign file": (10, take_campaign_file, canary_table),
    "gateway reply": (20, ask_gateway, canary_gateway),
    "reply": (10, hear, canary_webhook),
    "webhook call": (10, call_webhook, canary_webhook),
}
"""Kind -> its share of a hundred inputs, the function that tries one, and the sound input."""

ANSWERS: Final = (CampaignFileError, AudienceProblem, EditRefused, GatewayError)
"""Errors that are shown to people as they are."""


def kind_of(place: int) -> str:
    """The kind of the input at this place: each kind has its share of every hundred."""
    left = place % 100
    for kind, (share, _, _) in KINDS.items():
        if left < share:
            return kind
        left -= share
    raise AssertionError("the shares are a hundred")


def judged(world: World, seed: int, place: int) -> tuple[str, list[str]]:
    """How an input ended (`ok`, or the class of the error), and what was wrong with it."""
    kind = kind_of(place)
    rng = random.Random(f"{seed}:{place}")
    world.is_inline = False
    began = time.process_time()
    told: list[str] = []
    ended = "ok"
    wrong: list[str] = []
    try:
        told += KINDS[kind][1](world, rng)
        wrong += [line for line in told if line.startswith("the webhook")]
    except ANSWERS as error:
        ended = type(error).__name__
        told.append(_words(error))
    except Exception as error:
        ended = type(error).__name__
        frames = traceback.extract_tb(error.__traceback__)
        wrong.append(f"{ended} at {frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno}: {str(error)[:200]}")
    took = time.process_time() - began
    if took > MOST_SECONDS:
        wrong.append(f"took {took:.1f} s")
    logged = world.log.getvalue()
    world.log.seek(0)
    world.log.truncate()
    told += [logged, sys.stderr.getvalue() if isinstance(sys.stderr, io.StringIO) else ""]
    shown = "\n".join(told)
    # The author of a campaign file may see what it contains; a marked cell of a table belongs to its person alone.
    secrets = (GATEWAY_KEY, KEY) if kind == "campaign file" or world.is_inline else SECRETS
    wrong += [f"{secret!r} shows: {_around(shown, secret)!r}" for secret in secrets if secret in shown]
    if "Traceback" in shown:
        wrong.append(f"a traceback: {_around(shown, 'Traceback')!r}")
    return ended, wrong


def _words(error: Exception) -> str:
    """What is reported of an error; for one kept as evidence, also what a gateway quotes of the request."""
    kept = json.dumps(dict(error.evidence), default=str) if isinstance(error, GatewayError) else ""
    quoted = [secret for secret in (GATEWAY_KEY, inputs.SENT) if secret in kept]
    return f"{error} {getattr(error, 'problem', '')} {getattr(error, 'hint', '')} {quoted or ''}"


def _around(shown: str, what: str) -> str:
    at = shown.index(what)
    return shown[max(0, at - 150) : at + 150]


def run(seed: int, places: Iterable[int], report: Callable[[int, str, list[str]], None]) -> None:
    """Judge these inputs in this process; call `report(place, ending, faults)` after each."""
    log = io.StringIO()
    with tempfile.TemporaryDirectory(prefix="fuzz-", dir=folder_in_memory()) as name, ExitStack() as stack:
        configure_logs("json", stream=log)
        logging.captureWarnings(capture=True)
        world = World(Path(name), log, stack)
        for kind, (_, _, canary) in KINDS.items():
            if not canary(world):
                report(-1, kind, ["the sound input does not work"])
        base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        for count, place in enumerate(places, start=1):
            ended, wrong = judged(world, seed, place)
            if (peak := resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024) - base > MOST_BYTES:
                wrong.append(f"the process has {(peak - base) >> 20} MB more than it began with")
                base = peak
            if count % CANARY_EVERY == 0 and not KINDS[kind_of(place)][2](world):
                wrong.append("after it a sound input does not work")
            report(place, f"{kind_of(place)}: {ended}", wrong)
        world.log.truncate(0)


def _process(seed: int, places: range, queue: Any) -> None:
    run(seed, places, lambda place, ended, wrong: queue.put((place, ended, wrong)))
    queue.put(None)


def main(arguments: Sequence[str]) -> int:
    """Run and print; return the exit code: 0 if every input got a clear answer."""
    parser = argparse.ArgumentParser(prog="python -m tests.prove.fuzz", description="Hostile and broken inputs.")
    parser.add_argument("--count", type=int, default=5_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="the place of the first input, to see one again")
    parser.add_argument("--at-once", type=int, default=2)
    options = parser.parse_args(arguments)
    began = datetime.now(UTC)
    places = range(options.first, options.first + options.count)
    with recording("fuzz", seed=options.seed, first=options.first) as record:
        endings, faults = fuzz(
            options.seed, places, options.at_once, told=lambda wrong: record.add({"inputs": 1}, broken=len(wrong))
        )
        record.broken = len(faults)  # also those of no single input
    for ending, count in sorted(endings.items()):
        sys.stdout.write(f"{count:>9,}  {ending}\n")
    sys.stdout.writelines(f"{fault}\n" for fault in faults)
    seconds = (datetime.now(UTC) - began).total_seconds()
    ended = f"{endings.total():,} inputs, {len(faults)} without a clear answer"
    sys.stdout.write(f"{ended}; seed {options.seed}, {seconds:.0f} s\n")
    return 1 if faults else 0


def fuzz(
    seed: int, places: range, at_once: int, *, told: Callable[[list[str]], None] = lambda _wrong: None
) -> tuple[Counter[str], list[str]]:
    """The endings of these inputs, and one line for each that did not get a clear answer.

    `told` is called after each input with what was wrong with it.
    """
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    shares = [places[n::at_once] for n in range(min(at_once, len(places)))]
    processes = [context.Process(target=_process, args=(seed, share, queue), daemon=True) for share in shares]
    for process in processes:
        process.start()
    endings: Counter[str] = Counter()
    faults: list[str] = []
    running = len(processes)
    counts = [0] * len(shares)
    while running:
        try:
            got = queue.get(timeout=STUCK_SECONDS)
        except Exception:  # queue.Empty: one of the processes hangs, or died
            still = [share[done] for share, done in zip(shares, counts, strict=True) if done < len(share)]
            faults.append(f"no answer for {STUCK_SECONDS:.0f} s; seed {seed}, one of the places {still}")
            break
        if got is None:
            running -= 1
            continue
        place, ending, wrong = got
        if place >= 0:
            counts[(place - places.start) // places.step % len(shares)] += 1
        endings[ending] += 1
        told(wrong)
        faults += [f"seed {seed}, place {place}, {ending}: {what}" for what in wrong]
    for process in processes:
        process.kill()
        process.join()
    return endings, faults


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
