"""From the link that the service prints to the report: a walk that people make, in Chromium, in three ways."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.scheduler.web.desk.walk import STEPS, Walk
from tests.scheduler.web.desk.walking import Way, hands, rehearsal


@pytest.mark.long
@pytest.mark.parametrize(
    "way", [Way.SCRIPT, *(pytest.param(way, marks=pytest.mark.proof) for way in (Way.NO_SCRIPT, Way.KEYBOARD))]
)
def test_a_campaign_is_sent_from_the_browser(browser: Browser, tmp_path: Path, way: Way) -> None:
    with rehearsal(tmp_path) as service:
        walk = Walk(service, hands(browser, way), hands(browser, way), tmp_path)
        for step in STEPS:
            step(walk)
        assert [each for one in walk.all for each in one.complaints if "status of 403" not in each] == []
        for one in walk.all:
            one.page.context.close()
