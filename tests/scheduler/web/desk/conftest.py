"""One seeded installation, one server and one browser for each module of tests of the desk's pages."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext

from campaigns.access import Role
from scheduler.web.access import COOKIE
from tests.scheduler.web.caller import Door
from tests.scheduler.web.conftest import runtime_of
from tests.scheduler.web.desk.browser import chromium
from tests.scheduler.web.desk.seeded import seeded, signed_in
from tests.store.store_world import World
from worker.runtime import Runtime


@dataclass(frozen=True)
class Desk:
    """A seeded installation that is open at `url`, and the sessions of somebody in each role."""

    runtime: Runtime
    world: World
    url: str
    sessions: dict[Role, str]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, migrated: Callable[[Path], None]) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp("desk")
    migrated(folder)
    runtime = runtime_of(f"sqlite:///{folder / 'campaigns.db'}", inbox=folder / "inbox", api_rate=10_000)
    world = seeded(runtime)
    who = {role: signed_in(runtime, f"a-{role.value}", role) for role in (Role.VIEWER, Role.ADMIN)}
    with Door(runtime) as door:
        yield Desk(runtime, world, door.url, who)
    runtime.close()


@pytest.fixture(scope="module")  # while it is open, its thread has a loop, and no other test could run one
def browser() -> Iterator[Browser]:
    with chromium() as made:
        yield made


Opened = Callable[..., BrowserContext]


@pytest.fixture
def opened(desk: Desk, browser: Browser) -> Iterator[Opened]:
    """Makes windows of somebody who is signed in, closed after the test."""
    made: list[BrowserContext] = []

    def context(role: Role = Role.ADMIN, *, width: int = 1280, theme: str = "light", **more: object) -> BrowserContext:
        found = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=theme, **more)  # type: ignore[arg-type]  # whatever a test sets
        cookie = {"name": COOKIE, "value": desk.sessions[role], "url": desk.url, "httpOnly": True, "sameSite": "Strict"}
        found.add_cookies([cookie])  # type: ignore[list-item]  # as it is written
        made.append(found)
        return found

    yield context
    for each in made:
        each.close()


@pytest.fixture
def admin(desk: Desk) -> Iterator[httpx.Client]:
    headers = {"Cookie": f"{COOKIE}={desk.sessions[Role.ADMIN]}", "Sec-Fetch-Site": "same-origin"}
    with httpx.Client(base_url=desk.url, headers=headers, timeout=60) as client:
        yield client
