"""A page that is open for a week: thousands of renewals, by a clock that is fast."""

import time
from typing import Any, Final

import pytest
from playwright.sync_api import CDPSession, Page

from tests.scheduler.web.desk.conftest import Desk, Opened

MOST_MORE_BYTES: Final = 100_000
"""Of 3,000 renewals: 33 bytes each, so 10 MB in a week of 302,400."""

FAST: Final = """
const real = setTimeout;
globalThis.setTimeout = (what, wait) => real(what, wait / 2000);
globalThis.renewals = 0;
const asked = fetch;
globalThis.fetch = (...all) => { renewals += 1; return asked(...all); };
"""
"""Each two seconds take a millisecond."""


def used(devtools: CDPSession) -> dict[str, Any]:
    """What the page holds once everything that it no longer needs is gone."""
    for _ in range(3):
        devtools.send("HeapProfiler.collectGarbage")
    counts = devtools.send("Memory.getDOMCounters")
    return {**counts, "bytes": devtools.send("Runtime.getHeapUsage")["usedSize"]}


def until_renewed(page: Page, times: int) -> None:
    """Wait for so many renewals. The policy of the page forbids what the browser's driver would wait with."""
    end = time.monotonic() + 120
    while page.evaluate("renewals") < times:
        assert time.monotonic() < end, f"{page.evaluate('renewals')} renewals instead of {times}"
        page.wait_for_timeout(50)


@pytest.mark.long
@pytest.mark.parametrize("renewals", [300, pytest.param(3_000, marks=pytest.mark.proof)])
def test_a_page_that_is_open_for_a_week_holds_no_more_than_after_a_minute(
    desk: Desk, opened: Opened, renewals: int
) -> None:
    context = opened()
    context.add_init_script(FAST)
    page = context.new_page()
    page.goto(desk.url + "/campaigns/spring-sale")
    devtools = context.new_cdp_session(page)
    until_renewed(page, 30)
    before = used(devtools)
    first = page.evaluate("renewals")
    for n in range(4):
        desk.world.set_run(desk.world.batch(1).run_id, reason=f"changed {n} times")  # so the part is really replaced
        until_renewed(page, first + (n + 1) * renewals // 4)
    # then
    after = used(devtools)
    print(f"{renewals} renewals: {before} before, {after} after")  # noqa: T201  what was measured
    assert after["nodes"] <= before["nodes"] + 50, (before, after)
    assert after["jsEventListeners"] <= before["jsEventListeners"] + 5, (before, after)
    assert after["bytes"] - before["bytes"] < MOST_MORE_BYTES, (before, after)
    # and while it is hidden, it asks for nothing; once it is seen, at once again
    page.evaluate("Object.defineProperty(document, 'hidden', {get: () => window.isHidden ?? true, configurable: true})")
    page.wait_for_timeout(300)
    hidden = page.evaluate("renewals")
    page.wait_for_timeout(1_000)
    assert page.evaluate("renewals") == hidden
    page.evaluate("window.isHidden = false")
    until_renewed(page, hidden + 5)
