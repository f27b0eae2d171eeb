"""`export --format html`: one page with charts that needs nothing from elsewhere, and obeys nobody's text."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Final

import pytest
import sqlalchemy as sa
from sqlmodel import col
from typer.testing import Result

from scheduler.report.page_figures import MOST_LISTED
from tests.scheduler.cli.cli_world import put
from worker.store.engine import Store
from worker.store.models import Inbound, Recipient, Suppression

Cli = Callable[..., Result]
Planned = Callable[[str], tuple[Store, int]]
AT: Final = datetime(2026, 12, 1, 9, 0, 30, tzinfo=UTC)


class Page(HTMLParser):
    """The elements of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data


def a_campaign_with_ends(store: Store, run_id: int) -> None:
    at = {"accepted_at": AT, "sent_at": AT + timedelta(minutes=5)}
    put(store, run_id, "+393331000001", state="delivered", gateway_id=1, device=1, delivered_at=AT, **at)
    put(store, run_id, "+393331000002", state="failed", gateway_id=2, device=2, reason="<script>no</script>", **at)


def page_of(run: Cli) -> Page:
    result = run("export", "spring-sale", "--format", "html")
    assert result.exit_code == 0, result.stderr
    return Page(result.stdout)


def test_the_page_shows_figures_charts_and_whom_it_did_not_reach(run: Cli, planned: Planned) -> None:
    a_campaign_with_ends(*planned("spring-sale"))

    page = page_of(run)

    assert {"svg", "polyline", "table"} <= set(page.tags)
    text = re.sub(r"\s+", " ", page.text)
    for words in (
        "spring-sale", "People4", "Delivered1 25.0 % of all people", "Over time", "handed over 2", "sent by a phone 1",
        "Why texts did not arrive", "contains '='", "phone 2", "1 did not arrive", "Who did not get it, and why",
        "+393331000002",
    ):  # fmt: skip
        assert words in text, words
    # five minutes of it, with the seconds at both ends
    assert re.search(r":00:30 \(.*:05:30 \(", text)


def test_a_share_says_of_what_it_is_and_a_stop_is_no_reply(run: Cli, planned: Planned) -> None:
    """One person writes STOP and a question, another one only STOP; a third had opted out before."""
    store, run_id = planned("spring-sale")
    a_campaign_with_ends(store, run_id)
    wrote = [("+393331000001", "stop"), ("+393331000001", "reply"), ("+393331000002", "stop")]
    with store.write() as session:
        rows = session.execute(sa.select(col(Recipient.number), col(Recipient.id))).all()
        ids = {row.number: row.id for row in rows}
        for gateway_id, (number, meaning) in enumerate(wrote, start=1):
            session.add(
                Inbound(
                    account_id=1, gateway_id=gateway_id, number=number, text="hello", received_at=AT, stored_at=AT,
                    came_by="poll", meaning=meaning, run_id=run_id, recipient_id=ids[number],
                )
            )  # fmt: skip
        later, before = AT + timedelta(hours=1), AT - timedelta(days=1)
        for number, since in (("+393331000001", later), ("+393331000002", before)):
            session.add(Suppression(number=number, source="reply", since=since))

    text = re.sub(r"\s+", " ", page_of(run).text)

    assert "Replied1 100.0 % of those sent to" in text
    assert "Replied: without those who wrote only STOP, START or HELP." in text
    assert "Opted out since1 100.0 % of those sent to" in text
    assert re.search(r"Outcome for everybody ?People ?Share of all", text)


def test_the_page_needs_nothing_from_elsewhere_and_runs_nothing(run: Cli, planned: Planned) -> None:
    a_campaign_with_ends(*planned("spring-sale"))

    page = page_of(run)

    assert not {"script", "link", "img", "iframe", "object", "form"} & set(page.tags)
    assert not {"src", "href", "style", "onload", "onclick"} & {name for name, _ in page.attributes}
    assert ("content", "default-src 'none'; style-src 'unsafe-inline'") in page.attributes
    assert "<script>no</script>" in page.text  # as words, not as an element


def test_a_campaign_of_which_nothing_was_sent_has_a_page(run: Cli, planned: Planned) -> None:
    planned("spring-sale")

    page = page_of(run)

    assert "polyline" not in page.tags
    assert "pending" in page.text


@pytest.mark.parametrize("took", [timedelta(seconds=10), timedelta(days=10)], ids=str)
def test_the_curves_have_as_many_points_however_long_it_took(run: Cli, planned: Planned, took: timedelta) -> None:
    store, run_id = planned("spring-sale")
    for place, number in enumerate(("+393331000001", "+393331000002")):
        at = AT + place * took
        put(store, run_id, number, state="delivered", accepted_at=at, sent_at=at, delivered_at=at)

    page = page_of(run)

    curves = [value or "" for name, value in page.attributes if name == "points"][-3:]  # after the forecast
    heights = [[float(point.partition(",")[2]) for point in curve.split()] for curve in curves]
    assert [len(curve) >= 60 for curve in heights] == [True] * 3
    # half of it at once, the rest at the end
    assert all(curve[0] == 300 and curve[-1] == 1 for curve in heights)
    assert all(abs(curve[len(curve) // 2] - 150.5) < 0.1 for curve in heights)


def test_a_page_goes_into_a_file_whole(run: Cli, planned: Planned, folder: Path) -> None:
    a_campaign_with_ends(*planned("spring-sale"))

    result = run("export", "spring-sale", "--format", "html", "-o", "report.html")

    assert result.stderr == "wrote 4 recipients to report.html\n"
    assert (folder / "report.html").read_text(encoding="utf-8").endswith("</html>\n")


def test_the_list_of_people_is_bounded(run: Cli, planned: Planned) -> None:
    store, run_id = planned("spring-sale")
    a_campaign_with_ends(store, run_id)
    with store.write() as session:
        session.execute(
            sa.insert(Recipient),
            [
                {
                    "run_id": run_id, "number": f"+39333{n:07}", "occurrence": 0, "source_id": 1, "line": n,
                    "state": "failed", "text": "", "segments": 1, "reason": "row 9 of x.csv: no",
                }
                for n in range(MOST_LISTED)
            ],
        )  # fmt: skip

    text = re.sub(r"\s+", " ", page_of(run).text)

    assert f"The first {MOST_LISTED} of {MOST_LISTED + 2}" in text
    assert "row 9 of" not in text.partition("Who did not get it")[0]
