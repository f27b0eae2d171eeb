"""`why` names the true cause for everybody in a mixed campaign: judged by the gateway's own ledger."""

import json
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.request import urlopen
from zoneinfo import ZoneInfo

import pytest
from pydantic import SecretStr

from campaigns.clock import SystemClock
from campaigns.following.results import RESULTS
from campaigns.lifecycle import RecipientState
from scheduler.intake.taking import read_file, take_up
from scheduler.loop import Clockwork
from scheduler.report.causes import cause
from scheduler.report.people import Chapter, tell_all
from scheduler.report.story import chapter_lines
from scheduler.ticks.table import Ticks
from tests.support.nursery import Sandbox
from worker.building import build_runtime
from worker.runtime import Runtime
from worker.sandbox.exchange import RequestKind
from worker.sandbox.faults.plan import FaultPlan, FaultRule
from worker.sandbox.running.options import Profile, SandboxOptions
from worker.settings.settings import Settings
from worker.store.people.suppressions import Entry, suppress
from worker.store.runs import runs

P = RecipientState
UTC_ZONE: Final = ZoneInfo("UTC")
CODES: Final = tuple(code for code in RESULTS if 0 < code < 1_000)
PATIENCE_SECONDS: Final = 60.0

GATEWAY: Final = SandboxOptions(
    profile=Profile.INTS,
    pace_per_second=1_000.0,
    delivery_min_seconds=0.0,
    delivery_max_seconds=0.05,
    # Of two requests to ten people, the gateway leaves some out.
    faults=FaultPlan(
        seed=5, rules=(FaultRule((RequestKind.SEND,), 1.0, {"rows_skipped": 1.0}, from_request=4, until_request=5),)
    ),
)

GOOD: Final = [f"+39333100{place:04}" for place in range(60)]
FAILING: Final = [f"+39333999{1_000 + code:04}" for code in CODES]
NO_REPORT: Final = "+393339990002"
NEVER_TAKEN: Final = "+393339990003"
SUPPRESSED: Final = "+393332000001"
EXCLUDED: Final = "+393332000002"
NOT_A_NUMBER: Final = "call me"
WITHOUT_NAME: Final = "+393332000003"


def write_files(folder: Path) -> tuple[Path, Path]:
    """The mixed campaign, and one that is cancelled before its start."""
    people = [*GOOD, *FAILING, NO_REPORT, NEVER_TAKEN, SUPPRESSED, EXCLUDED, NOT_A_NUMBER, GOOD[0]]
    rows = [f"{number},Anna" for number in people] + [f"{WITHOUT_NAME},"]
    (folder / "people.csv").write_text("number,first_name\n" + "\n".join(rows) + "\n")
    (folder / "not.csv").write_text(f"number\n{EXCLUDED}\n")
    (folder / "later.csv").write_text(f"number\n{GOOD[1]}\n{GOOD[2]}\n")
    mixed, later = folder / "mixed.yaml", folder / "later.yaml"
    mixed.write_text(
        "campaign: mixed\nmessage: Hi {{ first_name }}\naudience: [{file: people.csv}]\nexclude: [{file: not.csv}]\n"
        "throughput: {batch_size: 10}\ndevices: {use: [1, 2]}\nfollow: {until: 6s}\n"
    )
    later.write_text(
        "campaign: later\nmessage: Later\naudience: [{file: later.csv}]\nschedule: {start: 2099-01-01 09:00}\n"
    )
    return mixed, later


@dataclass(frozen=True)
class Told:
    """Everybody's chapters, and what the gateway's ledger has for each number."""

    chapters: Mapping[str, tuple[Chapter, ...]]
    ledger: Mapping[str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    """The campaigns, run to their end."""
    folder = tmp_path_factory.mktemp("mixed")
    settings = Settings(
        database_url=f"sqlite:///{folder / 'campaigns.db'}", timezone="UTC", device_rate=None, first_poll_seconds=0.2,
        max_poll_seconds=1.0, settle_seconds=1.0, send_by_seconds=5.0,
    )  # fmt: skip
    mixed, later = write_files(folder)
    with Sandbox.start(GATEWAY) as sandbox:
        runtime = build_runtime(settings, sandbox=(sandbox.url, SecretStr(sandbox.key)))
        ticks = Ticks()
        clockwork = Clockwork(runtime, ticks.all, ticks.rush)
        clockwork.start()
        try:
            now = runtime.clock.now()
            with runtime.store.write() as session:
                suppress(session, [Entry(SUPPRESSED, "", "STOP", "reply", now)], now=now)
            run_id = take_up(runtime, read_file(mixed, settings), source="mixed.yaml").run_id
            cancelled = take_up(runtime, read_file(later, settings), source="later.yaml").run_id
            with runtime.store.write() as session:
                runs.cancel_run(session, cancelled, "cancelled by hand", now)
            runtime.queue.work(4)
            wait_for_end(runtime, run_id)
        finally:
            clockwork.stop()
        numbers = {*GOOD, *FAILING, NO_REPORT, NEVER_TAKEN, SUPPRESSED, EXCLUDED, NOT_A_NUMBER, WITHOUT_NAME}
        stories = tell_all(runtime.store, numbers, now=SystemClock().now())
        with urlopen(f"{sandbox.url}/sandbox/ledger", timeout=10) as reply:
            entries = [json.loads(line) for line in reply.read().splitlines()]
        runtime.close()
    by_number: dict[str, list[dict[str, Any]]] = {}
    for entry in entries:
        by_number.setdefault(entry["number"], []).append(entry)
    return Told({number: story.chapters for number, story in stories.items()}, by_number)


def wait_for_end(runtime: Runtime, run_id: int) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        with runtime.store.read() as session:
            if runs.run_view(session, run_id).finished_at is not None:
                return
        time.sleep(0.1)
    raise AssertionError("the campaign did not end in time")


def expected(chapter: Chapter, entries: list[dict[str, Any]], *, is_second_row: bool) -> tuple[RecipientState, str]:
    """The state and the words that are true of a row of the mixed campaign, by the ledger and the files alone."""
    by_rule = {
        SUPPRESSED: (P.SUPPRESSED, "opted out"),
        EXCLUDED: (P.EXCLUDED, "not sent: listed in "),
        NOT_A_NUMBER: (P.INVALID, "no text can be sent to this row"),
        WITHOUT_NAME: (P.INVALID, "first_name"),
    }
    number = chapter.row.number
    if chapter.row.campaign == "later":
        return P.CANCELLED, "never sent: cancelled by hand"
    if is_second_row:
        return P.DUPLICATE, "same number as row 2 of people.csv"
    if number in by_rule:
        assert entries == [], "nothing may have been sent"
        return by_rule[number]
    if not entries:
        return P.FAILED, "left out by the gateway"
    match entries[0]["outcome"]:
        case "delivered":
            return P.DELIVERED, "the phone of this number confirmed it"
        case "no_report":
            return P.SENT, "no delivery report came"
        case "stuck":
            return P.EXPIRED, "gave no receipt"
        case _:
            return P.FAILED, RESULTS[entries[0]["result_code"]].words


def test_everybody_has_a_why_that_names_the_true_cause(told: Told) -> None:
    # given everybody in both campaigns
    seen: Counter[RecipientState] = Counter()

    for number, chapters in told.chapters.items():
        entries = told.ledger.get(number, [])
        assert len(entries) <= 1, "nobody may have got two texts"
        mixed = [chapter for chapter in chapters if chapter.row.campaign == "mixed"]
        for chapter in chapters:
            # when
            is_second = chapter in mixed[1:]
            state, words = expected(chapter, entries, is_second_row=is_second)
            why = cause(chapter, UTC_ZONE)

            # then
            assert chapter.row.state is state, (number, why, entries)
            assert words in why, (number, why)
            assert chapter.row.state in {P.DUPLICATE, P.CANCELLED} or (
                (chapter.row.gateway_id is not None) == bool(entries)
            )
            assert list(chapter_lines(chapter, UTC_ZONE))
            seen[state] += 1

    # then every possible end occurred, and everybody was covered
    assert seen.keys() == {
        P.DELIVERED, P.SENT, P.EXPIRED, P.FAILED, P.SUPPRESSED, P.EXCLUDED, P.INVALID, P.DUPLICATE, P.CANCELLED,
    }  # fmt: skip
    assert seen.total() == len(GOOD) + len(FAILING) + 9
    left_out = sum(not told.ledger.get(number) for number in [*GOOD, *FAILING])
    assert left_out > 0
    assert seen[P.FAILED] == sum(bool(told.ledger.get(number)) for number in FAILING) + left_out


@pytest.mark.parametrize("code", CODES)
def test_a_failure_is_told_with_its_code_and_what_to_do(told: Told, code: int) -> None:
    chapter = told.chapters[FAILING[CODES.index(code)]][0]
    if chapter.row.gateway_id is None:
        return  # the gateway left this one out

    why = cause(chapter, UTC_ZONE)

    assert f"result code {code}, phone {chapter.row.device}" in why
    assert why.endswith(RESULTS[code].advice)
