"""What the desk costs with millions of recipients stored: each view, a hundred open pages, and sending beside them.

`python -m tests.bench.desk [--recipients N] [--campaigns N] [--calls N] [--only sqlite|postgresql] [--part PART]
[--at FOLDER]` fills an empty database with `tests.bench.stored.filling` and opens each view of a real `campaigns
dashboard`. What was filled in `FOLDER` stays there, and is measured again without filling.
"""

import argparse
import gzip
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from statistics import median
from typing import Final
from urllib.parse import parse_qsl, urlsplit

import sqlalchemy as sa
from pydantic import SecretStr
from rich.console import Console
from rich.table import Table
from starlette.routing import Match

from campaigns.access import SCOPES_OF, Role
from scheduler.actions.access.users import add_user
from scheduler.actions.acting import Actor, ActorKind
from scheduler.actions.refusals import Refused
from scheduler.web.access import COOKIE
from scheduler.web.api.problems import CallProblem
from scheduler.web.desk.app import desk_routes
from scheduler.web.desk.pages import DeskPage, PageRoute, Visit, shown
from tests.bench.installation import Installation, Servers, cpu_seconds, servers
from tests.bench.messages import percentile
from tests.bench.stored.commands import commands_table, measure_commands
from tests.bench.stored.filling import LISTS, PER_BATCH, fill
from tests.bench.stored.reading import what_is_read
from worker.building import build_runtime
from worker.logs import configure_logs
from worker.runtime import Runtime
from worker.settings.settings import load_settings
from worker.store.access import sessions, users
from worker.store.engine import Store
from worker.store.migrate import migrate
from worker.store.tables import accounts, runs

RECIPIENTS: Final = 10_000_000
CAMPAIGNS: Final = 200
RUNNING: Final = 5
CALLS: Final = 40

MOST_MILLISECONDS: Final = 100
MOST_KILOBYTES: Final = 60
PAGES: Final = 100
WATCHED: Final = ("/?part=now", "/campaigns/sale-1?part=campaign", "/fleet?part=fleet")
WITH_VARIANTS: Final = "/campaigns/sale-0?part=campaign"
LIVE_SECONDS: Final = 30.0
WARM_SECONDS: Final = 4.0
TURNS: Final = 6
OPENING_SECONDS: Final = 4.0
TURN_SECONDS: Final = 8.0
BESIDE_RECIPIENTS: Final = 500_000

FILE: Final = "/report"
"""What is downloaded grows with the campaign: the part `export` of `make bench` measures it."""

PASSWORD: Final = "correct horse battery"


@dataclass(frozen=True, slots=True)
class Opened:
    """A view: seconds of each call, kilobytes as gzip has them, and what its statements read.

    `rows`: the most rows (steps of SQLite) that one of them read. `counted`: those that counted rows.
    """

    address: str
    seconds: Sequence[float]
    kilobytes: float
    statements: int
    rows: int
    counted: Sequence[str]


def addresses(recipients: int, campaigns: int) -> tuple[str, ...]:
    """Every view without further values, live parts, pages in the middle of a list, filters that match least."""
    each, of_middle = recipients // campaigns, campaigns // 2 + 1
    sale, place = f"sale-{of_middle}", recipients // campaigns * of_middle
    plain = [
        route.path.replace("{name}", sale)
        for route in desk_routes()
        if isinstance(route, PageRoute) and route.place.view and not route.path.endswith(FILE)
    ]
    further = (
        "/replies/1", "/campaigns/sale-0", "/campaigns/sale-1", "/campaigns/sale-10", "/campaigns?after=100",
        f"/campaigns/{sale}/people?after={place + each // 2}", f"/campaigns/{sale}/people?state=failed",
        f"/campaigns/{sale}/people?state=held",
        f"/campaigns/{sale}/people?state=expired", f"/campaigns/{sale}/people?reason=no+such+number",
        f"/campaigns/{sale}/people?device=3", f"/campaigns/{sale}/people?device=99",
        f"/campaigns/{sale}/people?variant=A",
        "/replies?after=10000", "/replies?meaning=review", "/replies?meaning=stop", f"/replies?run={of_middle + 1}",
        "/opt-outs?after=1000", "/audit?after=5000", f"/audit?campaign={sale}", "/audit?action=cancel",
        "/audit?action=throttle", "/audit?actor=nobody", "/audit?actor=token%3Aben", "/system?failed=1",
    )  # fmt: skip
    return (*(path for path in plain if "{" not in path), *further)


@contextmanager
def filled(
    where: Servers | None, *, recipients: int, campaigns: int, lists: int = LISTS, folder: Path | None = None
) -> Iterator[Installation]:
    """An installation with so many recipients, of which nothing is at work. `folder`: where its database stays."""
    name = f"desk_{recipients}_{campaigns}"
    done, database = None, ""
    if folder is not None:
        done = folder / f"{name}.{'sqlite' if where is None else 'postgresql'}"
        database = f"sqlite:///{folder / name}.db" if where is None else where.postgres.url(name)
        if not done.exists():
            folder.mkdir(parents=True, exist_ok=True)
            if where is None:
                (folder / f"{name}.db").unlink(missing_ok=True)
            else:
                where.postgres.drop_database(name)
                where.postgres.create_database(name=name)
    with Installation(where, {"http": "127.0.0.1:0"}, has_ledger=False, database=database) as world:
        with closing(Store(world.database_url)) as store:
            migrate(store)
            if done is None or not done.exists():
                began = time.monotonic()
                fill(store, recipients=recipients, campaigns=campaigns, running=RUNNING, lists=lists)
                Console(stderr=True).print(f"filled in {time.monotonic() - began:.0f} s")
            with (
                store.write() as session
            ):  # each measurement has a gateway of its own, and the page of phones all of them
                session.execute(sa.delete(accounts).where(~sa.exists().where(runs.c.account_id == accounts.c.id)))
        if done is not None:
            done.touch()
        yield world


def measure_views(world: Installation, *, recipients: int, campaigns: int, calls: int) -> list[Opened]:
    """Open each view of a filled installation so many times, one after the other."""
    with closing(Store(world.database_url)) as store:
        (cookie,) = signed_in(store)
    found, read = [], {}
    with closing(_runtime(world)) as runtime:
        for address in addresses(recipients, campaigns):
            # A page that asks whether to do what cannot be done now; one that examines the process that shows it.
            with suppress(Refused, CallProblem):
                read[address] = what_is_read(runtime.store, partial(make, runtime, address))
    world.start("dashboard")
    door = world.door()
    for address, (statements_, rows, counted) in read.items():
        seconds, size = call(door, cookie, address, calls)
        found.append(Opened(address, seconds, size, statements_, rows, counted))
    world.kill_all()
    return found


def signed_in(store: Store, browsers: int = 1) -> list[str]:
    """Return the cookies of so many browsers of a user, who may do everything."""
    now, name = datetime.now(UTC), "bench"
    with store.read() as session:
        is_known = users.credentials(session, name) is not None
    if not is_known:
        add_user(store, Actor(ActorKind.CLI, "root"), name, Role.ADMIN, PASSWORD, now=now)
    with store.write() as session:
        user = users.credentials(session, name)
        assert user is not None
        made = [sessions.create(session, user.user_id, name, Role.ADMIN, now=now) for _ in range(browsers)]
    return [f"{COOKIE}={secret}" for secret in made]


def call(door: str, cookie: str, address: str, calls: int) -> tuple[list[float], float]:
    """Open a view as often; return the seconds of each call, and the kilobytes of the answer, compressed."""
    parts = urlsplit(door)
    seconds, size = [], 0
    with closing(HTTPConnection(parts.hostname or "", parts.port, timeout=300)) as connection:
        for _ in range(calls):
            began = time.perf_counter()
            connection.request("GET", address, None, {"Cookie": cookie})
            answer = connection.getresponse()
            said = answer.read()
            seconds.append(time.perf_counter() - began)
            if answer.status != 200:
                raise ValueError(f"{address} was answered with {answer.status}: {said[:3000].decode()}")
            size = len(gzip.compress(said, 6))
    return seconds, size / 1_000


def _runtime(world: Installation) -> Runtime:
    settings = load_settings(database_url=world.database_url, timezone="UTC", region="IT")
    return build_runtime(settings, sandbox=(world.sandbox.url, SecretStr(world.sandbox.key)))


def make(runtime: Runtime, address: str) -> bytes:
    """Return a page as the operator sees it."""
    url = urlsplit(f"http://desk{address}")
    query = dict(parse_qsl(url.query))
    for route in desk_routes():
        matched, scope = route.matches({"type": "http", "path": url.path, "method": "GET", "root_path": ""})
        if matched is Match.FULL and isinstance(route, PageRoute) and route.place.view is not None:
            who = Actor(ActorKind.USER, "bench", SCOPES_OF[Role.ADMIN])
            path, now = scope["path_params"], runtime.clock.now()
            visit = Visit(runtime, who, address, path, query, now, runtime.settings.zone)
            page = route.place.view(visit)
            if isinstance(page, DeskPage):
                return bytes(shown(page, visit).body)
    raise ValueError(f"no view is at {address}")


@dataclass(frozen=True, slots=True)
class Watched:
    """What a process used of a core with nobody there and with all pages open; how many events they got, and the
    seconds until the first of each."""

    idle_share: float
    share: float
    events: int
    seconds: Sequence[float]


def measure_live(world: Installation, *, pages: int = PAGES, seconds: float = LIVE_SECONDS) -> Watched:
    """Open a hundred pages of a filled installation, as many browsers do, and let them follow what changes."""
    with closing(Store(world.database_url)) as store:
        cookies = signed_in(store, pages)
    (process,) = world.start("dashboard")
    _watch(world.door(), cookies, min(seconds, WARM_SECONDS))
    shares, taken, events = [], list[float](), 0
    for most in (0, pages):
        before, began = cpu_seconds(process), time.monotonic()
        taken, events = _watch(world.door(), cookies[:most], seconds)
        shares.append((cpu_seconds(process) - before) / (time.monotonic() - began))
    world.kill_all()
    return Watched(shares[0], shares[1], events, taken)


def measure_beside() -> tuple[list[float], list[float]]:
    """Send with `up` on SQLite; return the texts a second in turns without pages, and with all of them open."""
    rates: tuple[list[float], list[float]] = ([], [])
    with Installation(None, {"http": "127.0.0.1:0", "device_rate": "none", "first_poll_seconds": "3600"}) as world:
        world.start("up")
        with closing(Store(world.database_url)) as store:
            cookies = signed_in(store, PAGES)
        world.drop("sale-1", recipients=BESIDE_RECIPIENTS, batch_size=100)
        world.wait(lambda: world.stored() > 5_000, "sending")
        for turn in range(2 * TURNS):
            with ThreadPoolExecutor(1) as pool:
                open_ = OPENING_SECONDS + TURN_SECONDS + 0.5
                watched = pool.submit(_watch, world.door(), cookies if turn % 2 else [], open_, WATCHED)
                time.sleep(OPENING_SECONDS)
                before, began = world.stored(), time.monotonic()
                time.sleep(TURN_SECONDS)
                stored, took = world.stored(), time.monotonic() - began
                watched.result()
            if stored >= BESIDE_RECIPIENTS:
                break
            rates[turn % 2].append((stored - before) / took)
    return rates


def _watch(
    door: str, cookies: Sequence[str], seconds: float, watched: Sequence[str] = (*WATCHED, WITH_VARIANTS)
) -> tuple[list[float], int]:
    """Have pages open for so long."""
    command = [sys.executable, "-m", "tests.bench.stored.watching", door, str(seconds)]
    told = "\n".join(f"{cookie} {watched[place % len(watched)]}" for place, cookie in enumerate(cookies))
    done = subprocess.run(command, input=told, capture_output=True, text=True, check=True)
    taken, events = json.loads(done.stdout)
    return taken, events


def table_of(name: str, opened: Sequence[Opened], unit: str) -> Table:
    """The figures of one database, and what misses its target."""
    table = Table(title=f"Views of the desk on {name}")
    for head in ("address", "p50 ms", "p95 ms", "kB gzip", "statements", f"most {unit}", "counts rows", ""):
        table.add_column(head)
    for each in opened:
        slow = 1_000 * percentile(each.seconds, 0.95) > MOST_MILLISECONDS
        misses = slow or each.kilobytes > MOST_KILOBYTES or each.counted
        times = [f"{1_000 * percentile(each.seconds, share):.0f}" for share in (0.5, 0.95)]
        size = f"{each.kilobytes:.1f}"
        table.add_row(
            each.address,
            *times,
            size,
            str(each.statements),
            f"{each.rows:,}",
            str(len(each.counted)),
            "missed" if misses else "",
        )
    return table


def main(arguments: Sequence[str]) -> int:
    """Measure and print; return 0. A missed target is only shown."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.desk", description="Measures the desk.")
    for name, value in (("recipients", RECIPIENTS), ("campaigns", CAMPAIGNS), ("calls", CALLS)):
        parser.add_argument(f"--{name}", type=int, default=value, help=f"default {value}")
    parser.add_argument("--only", choices=("sqlite", "postgresql"), help="one of the databases")
    parser.add_argument("--part", choices=("views", "live", "commands", "beside"), help="one of the parts")
    parser.add_argument("--at", type=Path, metavar="FOLDER", help="where filled databases stay, to be measured again")
    options = parser.parse_args(arguments)
    wanted = {"recipients": options.recipients, "campaigns": options.campaigns}
    console = Console(width=160)
    data = None if options.at is None else options.at / "cluster"
    with tempfile.TemporaryFile("w") as log, servers(data) as both:
        configure_logs("json", stream=log)
        for name, where, unit in (("sqlite", None, "steps"), ("postgresql", both, "rows")):
            if options.only not in (None, name) or options.part == "beside":
                continue
            title = f"{name}: {options.recipients:,} recipients in {options.campaigns} campaigns"
            with filled(where, **wanted, folder=options.at) as world:
                if options.part in (None, "views"):
                    opened = measure_views(world, **wanted, calls=options.calls)
                    console.print(table_of(title, opened, unit))
                    for each in opened:
                        for statement in each.counted:
                            console.print(f"{each.address} counts rows: {statement[:600]}", markup=False)
                if options.part in (None, "live"):
                    seen = measure_live(world)
                    slow = 1_000 * percentile(seen.seconds, 0.95)
                    console.print(
                        f"{title}: {PAGES} open pages took {seen.share:.1%} of a core ({seen.idle_share:.1%} without), "
                        f"{seen.events} events, the first of a page within {slow:.0f} ms (p95)"
                    )
                if options.part in (None, "commands"):
                    with filled(where, recipients=2 * PER_BATCH, campaigns=2, lists=0) as empty:
                        cost = measure_commands(world, empty, **wanted, runs=options.calls)
                    console.print(commands_table(title, cost))
        if options.part in (None, "beside"):
            without, beside = measure_beside()
            console.print(f"up on SQLite, texts a second without pages: {[round(rate) for rate in without]}")
            console.print(f"beside {PAGES} open pages: {[round(rate) for rate in beside]}")
            console.print(f"ratio of the medians: {median(beside) / median(without):.3f}")
        console.print("load average: {:.1f} {:.1f} {:.1f}".format(*os.getloadavg()))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
