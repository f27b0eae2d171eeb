"""Live parts: made once for all who see the same, followed by open pages, and never shown to who may not see them."""

import asyncio
import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
import sqlalchemy as sa
from playwright.sync_api import Browser, expect
from pydantic import SecretStr

from campaigns.access import Role
from campaigns.lifecycle import RunState
from scheduler.web.access import COOKIE
from scheduler.web.app import make_app
from scheduler.web.desk.live import EVENTS, KEPT_SECONDS, MOST_KEPT, Shared
from scheduler.web.desk.pages import PageRoute
from scheduler.web.desk.rendering import REHEARSAL
from scheduler.web.serving import FrontDoor, listen, url_of
from tests.scheduler.web.caller import KEY, Door
from tests.scheduler.web.conftest import runtime_of
from tests.scheduler.web.desk.conftest import Desk
from tests.scheduler.web.desk.seeded import signed_in
from tests.store.store_world import World, people
from worker.building import build_runtime
from worker.runtime import Runtime
from worker.settings.settings import Settings
from worker.store.access import sessions
from worker.store.tables import campaigns

PART = "/campaigns/spring-sale?part=campaign"


def test_of_those_who_ask_at_once_one_makes_it_and_what_failed_is_not_kept() -> None:
    made: list[int] = []

    async def make() -> int:
        made.append(len(made))
        await asyncio.sleep(0.05)
        if len(made) == 1:
            raise ValueError("the first time")
        return len(made)

    async def ask(shared: Shared[int]) -> list[int | BaseException]:
        found = await asyncio.gather(*(shared.get("key", make) for _ in range(20)), return_exceptions=True)
        return [each if isinstance(each, BaseException) else each[0] for each in found]

    async def lives() -> None:
        shared: Shared[int] = Shared()
        assert {type(each) for each in await ask(shared)} == {ValueError}
        assert await ask(shared) == [2] * 20
        assert await ask(shared) == [2] * 20
        await asyncio.sleep(KEPT_SECONDS)
        assert await ask(shared) == [3] * 20

    asyncio.run(lives())


def test_what_is_kept_is_bounded() -> None:
    async def make() -> int:
        return 1

    async def lives() -> None:
        shared: Shared[int] = Shared()
        for key in range(2 * MOST_KEPT):
            assert (await shared.get(key, make))[0] == 1
        assert len(shared) == MOST_KEPT
        await asyncio.sleep(KEPT_SECONDS)
        await shared.get("another", make)
        assert len(shared) == 1

    asyncio.run(lives())


class Line:
    """A page that follows its part, in a thread of its own: the parts that came, until the answer ended."""

    def __init__(self, url: str, cookie: str, address: str = PART) -> None:
        self.parts: list[str] = []
        self.status = 0
        self._asked = threading.Event()
        self._thread = threading.Thread(target=self._read, args=(url, cookie, address), daemon=True)
        self._thread.start()
        assert self._asked.wait(10)

    def _read(self, url: str, cookie: str, address: str) -> None:
        with closing(http.client.HTTPConnection(urlsplit(url).netloc, timeout=20)) as connection:
            connection.request("GET", address, headers={"Cookie": f"{COOKIE}={cookie}", "Accept": EVENTS})
            answer = connection.getresponse()
            self.status = answer.status
            self._asked.set()
            for line in answer if answer.headers.get("content-type", "").startswith(EVENTS) else ():
                if line.startswith(b"data: "):
                    self.parts.append(json.loads(line.removeprefix(b"data: ")))

    def wait(self, is_so: Callable[[], bool], seconds: float = 10.0) -> bool:
        end = time.monotonic() + seconds
        while not is_so() and time.monotonic() < end:
            time.sleep(0.02)
        return is_so()

    def has_ended(self) -> bool:
        return not self._thread.is_alive()


@pytest.fixture
def opened(tmp_path: Path, migrated: Callable[[Path], None]) -> Iterator[tuple[Runtime, World, str]]:
    """An installation with a run, whose door looks every half second whether readers are still signed in."""
    migrated(tmp_path)
    runtime = runtime_of(f"sqlite:///{tmp_path / 'campaigns.db'}")
    app, listener = make_app(runtime, SecretStr(KEY)), listen("127.0.0.1:0")
    for route in app.routes:
        if isinstance(route, PageRoute):
            route.signed_in_seconds = 0.5
    world = World(runtime.store)
    world.run(people(3))
    with FrontDoor(app, listener):
        yield runtime, world, url_of(listener)
    runtime.close()


def test_an_open_page_is_told_what_changed_and_nothing_once_its_reader_is_signed_out(
    opened: tuple[Runtime, World, str],
) -> None:
    runtime, world, url = opened
    secrets = [signed_in(runtime, name, Role.VIEWER) for name in ("anna", "ben")]
    anna, ben = (Line(url, secret) for secret in secrets)
    assert anna.wait(lambda: len(anna.parts) == len(ben.parts) == 1)
    assert anna.parts == ben.parts
    # when
    world.set_run(1, state=RunState.PAUSED, reason="changed meanwhile")
    began = time.monotonic()
    assert anna.wait(lambda: len(anna.parts) == len(ben.parts) == 2)
    # then both are told, in time, and of one the same as of the other
    assert time.monotonic() - began < KEPT_SECONDS + 1
    assert anna.parts == ben.parts
    assert "changed meanwhile" in anna.parts[1]

    with runtime.store.write() as session:
        sessions.end(session, secrets[0], now=runtime.clock.now())
    assert anna.wait(anna.has_ended)
    assert not ben.has_ended()


def test_a_part_is_for_those_who_may_see_it_and_shows_nobody_else(desk: Desk) -> None:
    assert Line(desk.url, "not-a-session").status == 303
    assert Line(desk.url, desk.sessions[Role.VIEWER], "/system?part=now").status == 403
    # A whole page shows its reader's name, and is shared with nobody.
    assert Line(desk.url, desk.sessions[Role.VIEWER], "/campaigns?part=now").status == 404
    viewer, admin = (Line(desk.url, desk.sessions[role], "/?part=now") for role in (Role.VIEWER, Role.ADMIN))
    assert viewer.wait(lambda: bool(viewer.parts and admin.parts))
    assert "a-viewer" not in viewer.parts[0]
    assert "a-admin" not in admin.parts[0]


@pytest.mark.long
def test_what_can_no_longer_be_done_goes_from_an_open_page_and_the_focus_stays(desk: Desk, browser: Browser) -> None:
    """Buttons are of the live part: a block that did not change is not touched, and what is gone hands its place on."""
    run_id = desk.world.run(people(4, first=8_000), campaign="to-end")
    context = browser.new_context()
    cookie = {"name": COOKIE, "value": desk.sessions[Role.ADMIN], "url": desk.url}
    context.add_cookies([cookie])  # type: ignore[list-item]  # as it is written
    page = context.new_page()
    page.goto(desk.url + "/campaigns/to-end")
    rate, pause = page.get_by_label("Rate"), page.get_by_role("button", name="Pause")
    page.get_by_text("Change its limits").click()
    rate.fill("7/minute")
    desk.world.set_run(run_id, reason="somebody", state=RunState.PAUSED)
    expect(page.get_by_role("button", name="Resume")).to_be_visible(timeout=10_000)
    expect(rate).to_have_value("7/minute")
    expect(rate).to_be_focused()
    desk.world.set_run(run_id, reason="", state=RunState.RUNNING)
    expect(pause).to_be_visible(timeout=10_000)
    desk.world.set_run(run_id, state=RunState.COMPLETED, finished_at=desk.runtime.clock.now())
    # What is being filled in stays until its reader leaves it, and everything else is renewed.
    expect(page.locator(".facts").first).to_contain_text("completed", timeout=10_000)
    expect(pause).to_have_count(0)
    expect(rate).to_be_focused()
    expect(rate).to_have_value("7/minute")
    rate.press("Enter")
    expect(page.locator(".problem")).to_contain_text("to-end is completed, so there is nothing left to send")
    page.go_back()
    desk.world.set_run(run_id, state=RunState.RUNNING, finished_at=None)
    expect(pause).to_be_visible(timeout=10_000)
    pause.focus()
    # when
    desk.world.set_run(run_id, state=RunState.COMPLETED, finished_at=desk.runtime.clock.now())
    expect(pause).to_have_count(0, timeout=10_000)
    # then
    assert page.get_by_role("link", name="Cancel for good").count() == 0
    assert page.get_by_text("Change its limits").count() == 0
    expect(page.locator("[data-live]")).to_be_focused()
    context.close()


def test_a_rehearsal_says_so_on_its_pages_of_a_service_that_sends(
    tmp_path: Path, migrated: Callable[[Path], None]
) -> None:
    migrated(tmp_path)
    url, key = f"sqlite:///{tmp_path / 'campaigns.db'}", SecretStr("key")
    settings = Settings(database_url=url, gateway_url="http://127.0.0.1:9", api_key=key, timezone="UTC", _env_file=None)
    runtime = build_runtime(settings)
    world = World(runtime.store)
    for campaign in ("real", "tried"):
        world.run(people(3), campaign=campaign)
    with runtime.store.write() as session:
        session.execute(sa.update(campaigns).where(campaigns.c.slug == "tried").values(rehearsal=True))
    cookies = {COOKIE: signed_in(runtime, "anna", Role.OPERATOR)}
    said = {}
    with Door(runtime) as door, httpx.Client(base_url=door.url, cookies=cookies, timeout=60) as anna:
        for page in ("", "/plan", "/people", "/people/plan?do=resend", "/cancel"):
            said[page] = [REHEARSAL in anna.get(f"/campaigns/{campaign}{page}").text for campaign in ("real", "tried")]
        said["/"] = [REHEARSAL in anna.get("/").text, True]
    runtime.close()
    assert said == {page: [False, True] for page in said}
