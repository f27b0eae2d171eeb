"""Every page in a real browser: readable for everybody, in both themes, on a phone, without script, by keyboard."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from campaigns.access import Role
from campaigns.lifecycle import RecipientState
from scheduler.web.access import COOKIE
from scheduler.web.desk.app import PLACES
from scheduler.web.desk.views.campaigns import report
from tests.scheduler.web.desk.conftest import Desk, Opened
from tests.scheduler.web.desk.seeded import sent_in_rehearsal
from tests.store.store_world import people

PAGES = (
    "/",
    "/needs",
    "/campaigns",
    "/campaigns/spring-sale",
    "/campaigns/in-paused",
    "/campaigns/in-paused/cancel",
    "/campaigns/in-completed",
    "/campaigns/spring-sale/people",
    "/campaigns/spring-sale/people?state=failed",
    "/campaigns/spring-sale/people/plan?do=resend",
    "/calendar",
    "/compare?campaign=spring-sale&campaign=held-sale",
    "/fleet",
    "/fleet/texts?account=1&device=1&sim=0&figure=sent",
    "/replies",
    "/replies?meaning=stop",
    "/replies/5",
    "/opt-outs",
    "/system",
    "/system/doctor",
    "/audit?verify=1",
    "/campaigns/no-such-campaign",
    "/no-such-page",
    "/campaigns/held-sale/resolve",
    "/campaigns/no-such/resume",
    "/campaigns/unanswered/no-reply",
    "/users",
    "/signin",
    "/submit",
    "/campaigns/spring-sale/plan",
)
LIVE = re.compile(r'data-live="(\w+)"')
HEIGHT = 800
TAGS = {
    "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]},
    "resultTypes": ["violations"],  # with every node that passes, a page took 0.2 s of the processor more
}


@pytest.fixture(scope="module", autouse=True)
def _unanswered(desk: Desk) -> None:
    """A campaign whose text may go once more to those who did not reply."""
    delivered = people(3, first=7_900, state=RecipientState.DELIVERED)
    sent_in_rehearsal(desk.world, desk.world.run(delivered, campaign="unanswered"))


@contextmanager
def listened_to(page: Page, *, answers_with: tuple[str, ...] = ()) -> Iterator[list[str]]:
    """What the browser complains about during the block: errors, and reports of the policy."""
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    yield said
    said[:] = [line for line in said if not line.startswith(answers_with or "\0")]


def sideways(page: Page) -> int:
    """By how many pixels the page is wider than its window."""
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


def enlarged(page: Page) -> tuple[int, int]:
    """The same at 200 %, where a window of 1280 pixels shows as many as one of 640; and with only the text enlarged."""
    page.set_viewport_size({"width": 640, "height": HEIGHT})
    plain = sideways(page)
    page.evaluate("document.documentElement.style.setProperty('font-size', '200%')")
    return plain, sideways(page)


def test_every_view_is_among_the_pages_that_are_looked_at() -> None:
    views = [re.sub(r"\{\w+\}", "[^/]+", place.path) for place in PLACES if place.view and place.view is not report]
    looked_at = [page.partition("?")[0] for page in PAGES]
    assert [view for view in views if not any(re.fullmatch(view, page) for page in looked_at)] == []


@pytest.mark.long
@pytest.mark.parametrize(
    ("width", "theme"),
    [
        (375, "light"),
        pytest.param(1280, "dark", marks=pytest.mark.proof),
        pytest.param(375, "dark", marks=pytest.mark.proof),
        pytest.param(1280, "light", marks=pytest.mark.proof),
    ],
)
def test_every_page_is_fit_for_everybody(desk: Desk, opened: Opened, width: int, theme: str) -> None:
    """axe finds nothing, the browser complains of nothing, and no page is too wide, also at twice its size."""
    page, found = opened(width=width, theme=theme).new_page(), {}
    for path in PAGES:
        with listened_to(
            page, answers_with=("Failed to load resource: the server responded with a status of 404",)
        ) as said:
            answer = page.goto(desk.url + path)
        assert answer is not None
        assert (answer.status < 400) == ("no-such" not in path), (path, answer.status)
        violations = [
            (each["id"], [node["html"][:150] for node in each["nodes"]][:3])
            for each in Axe().run(page, options=TAGS).response["violations"]
        ]
        wide = (sideways(page), *enlarged(page))
        page.set_viewport_size({"width": width, "height": HEIGHT})
        if violations or said or any(wide):
            found[path] = (violations, [*said], wide)
    assert found == {}


def test_every_page_shows_the_same_without_script(desk: Desk, opened: Opened) -> None:
    """The time zone is the same with and without the script, so the words are, too."""
    zone = {"name": "campaigns_zone", "value": "UTC", "url": desk.url}
    with_script, without = opened(timezone_id="UTC"), opened(java_script_enabled=False)
    pages = []
    for context in (with_script, without):
        context.add_cookies([zone])  # type: ignore[list-item]  # as it is written
        pages.append(context.new_page())
    for path in PAGES:
        for _ in range(3):  # a forecast may be another minute's in between
            some, other = (_words(page, desk.url + path) for page in pages)
            if some == other:
                break
        assert some == other, path
        assert some


def _words(page: Page, url: str) -> str:
    page.goto(url)
    text = page.locator("main").inner_text()
    only_without = "These figures do not renew themselves without script."
    lines = [line for line in text.splitlines() if " ago" not in line and not line.startswith(only_without)]
    return "\n".join(filter(None, lines))


def test_a_reader_without_the_scope_sees_no_number_and_no_text(desk: Desk) -> None:
    session, page = {COOKIE: desk.sessions[Role.VIEWER]}, {"Accept": "text/html"}
    with httpx.Client(base_url=desk.url, cookies=session, headers=page, timeout=60, follow_redirects=True) as reader:
        for path in PAGES:
            shown = reader.get(path).text
            assert ("a-viewer" in shown) is (path != "/signin"), path
            for part in LIVE.findall(shown):
                shown += reader.get(path, params={"part": part}).text
            for secret in ("+39333", "an answer", "Hi 1"):
                assert secret not in shown, (path, secret)


def test_the_keyboard_leads_through_a_page_and_its_focus_is_seen(desk: Desk, opened: Opened) -> None:
    page = opened().new_page()
    page.goto(desk.url + "/campaigns")
    page.keyboard.press("Tab")
    skip = page.locator(".skip")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")
    assert page.url.endswith("#main")
    seen = set()
    for _ in range(12):
        page.keyboard.press("Tab")
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        seen.add(page.evaluate("document.activeElement.textContent.trim().slice(0, 30)"))
        assert outline == "solid", seen
    assert "spring-sale" in seen
    page.goto(desk.url + "/")
    expect(page.locator('nav a[aria-current="page"]')).to_have_text("Now")


@pytest.mark.long
def test_a_live_part_is_renewed_where_the_reader_is(desk: Desk, opened: Opened) -> None:
    """Focus and place stay, and only what changed is replaced. While the page is hidden, it asks for nothing."""
    page = opened(width=375).new_page()
    page.goto(desk.url + "/campaigns/spring-sale")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    link = page.get_by_role("link", name="Whose texts failed")
    link.focus()
    page.evaluate("scrollTo(0, 200)")
    before = page.evaluate("scrollY")
    desk.world.set_run(_run_of(desk), reason="changed meanwhile")
    expect(page.locator("[data-live]")).to_have_attribute(
        "data-shown", re.compile("Whose texts failed"), timeout=10_000
    )
    assert page.evaluate("document.activeElement.textContent") == "Whose texts failed"
    assert page.evaluate("scrollY") == before
    assert [url for url in asked if "part=campaign" in url]
    # when
    page.evaluate("Object.defineProperty(document, 'hidden', {get: () => true})")
    page.wait_for_timeout(500)
    asked.clear()
    page.wait_for_timeout(4_500)
    # then
    assert asked == []


def _run_of(desk: Desk) -> int:
    return desk.world.batch(1).run_id
