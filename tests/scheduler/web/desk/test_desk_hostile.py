"""What somebody writes is shown as text: as a reply, a text, a reason, a file, a name. None of it is ever run."""

import html
import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
import sqlalchemy as sa
from playwright.sync_api import Browser, BrowserContext, Dialog, FilePayload, Page

from campaigns.access import Actor, ActorKind, Role
from campaigns.alerts.figures import AlertName
from campaigns.lifecycle import RecipientState, RunState
from campaigns.optout import Meaning
from campaigns.printable import one_line
from scheduler.actions.reading.exports import read_report
from scheduler.web.access import COOKIE
from scheduler.web.desk.report import write_report
from tests.scheduler.web.caller import Door
from tests.scheduler.web.conftest import runtime_of
from tests.scheduler.web.desk.seeded import signed_in
from tests.store.store_world import World, new_run, people
from worker.gateway_account import account_fingerprint
from worker.runtime import Runtime
from worker.store import audit
from worker.store.people import suppressions
from worker.store.people.stored_replies import Incoming, store_replies
from worker.store.people.suppressions import Entry
from worker.store.sending.accounts import ensure_account
from worker.store.tables import alerts, calls_out, campaigns, ceilings, recipients, runs, users

RUNS: Final = ("alert(1)", "window.ran=1", "document.title='ran'", "fetch('/signout')", "top.ran=1")
FRAMES: Final = (
    "<script>{}</script>",
    "</script><script>{}</script>",
    "<img src=x onerror={}>",
    '"><svg onload={}>',
    "' autofocus onfocus={} x='",
    '" autofocus onfocus={} x="',
    "<a href=javascript:{}>x</a>",
    "</textarea><script>{}</script>",
    "</title><script>{}</script>",
    "<!--><script>{}</script>",
    "{{{{ cycler.__init__.__globals__ }}}}{}",
    "{{% include '/etc/passwd' %}}{}",
    "<iframe srcdoc='<script>{}</script>'>",
    "<style>@import '//evil.example/{}'</style>",
    "<math><mtext><table><mglyph><style><img src=x onerror={}>",
    "<details open ontoggle={}>",
    "\u202e<b onmouseover={}>x</b>",
    "<meta http-equiv=refresh content='0;url=javascript:{}'>",
    "<base href='//evil.example/{}'>",
    "&lt;script&gt;{}&lt;/script&gt;",
)
PLACES: Final = ("{}", "Hi {} there")
HOSTILE: Final = [place.format(frame.format(run)) for place, frame, run in product(PLACES, FRAMES, RUNS)]


GATEWAY: Final = "https://sms.example.com"

KINDS: Final = {
    "names of campaigns": "/campaigns",
    "why a campaign waits": "/campaigns",
    "why somebody gets nothing": "/campaigns/hostile/people",
    "texts of people": "/replies",
    "why somebody opted out": "/opt-outs",
    "names of users": "/users",
    "who did what": "/audit",
    "to what it was done": "/audit",
    "whom a call went to": "/system",
    "what a call was answered": "/system",
    "why there is a limit": "/fleet",
    "what an alert is about": "/",
}
"""What may be written by somebody else, and the list that shows it."""


@pytest.fixture(scope="module")
def written(
    tmp_path_factory: pytest.TempPathFactory, migrated: Callable[[Path], None]
) -> Iterator[tuple[Runtime, str]]:
    """An installation in which each of these texts stands wherever one can stand, and its address."""
    folder = tmp_path_factory.mktemp("hostile")
    migrated(folder)
    runtime = runtime_of(
        f"sqlite:///{folder / 'campaigns.db'}", inbox=folder / "inbox", api_rate=10_000, gateway_url=GATEWAY
    )
    _everywhere(runtime, World(runtime.store), runtime.clock.now())
    with Door(runtime) as door:
        yield runtime, door.url
    runtime.close()


def _everywhere(runtime: Runtime, world: World, now: datetime) -> None:
    run_id = world.run(people(len(HOSTILE), state=RecipientState.FAILED), campaign="hostile")
    with world.store.write() as session:
        ids = session.scalars(sa.select(recipients.c.id).where(recipients.c.run_id == run_id)).all()
        for n, (id_, text) in enumerate(zip(ids, HOSTILE, strict=True)):
            session.execute(sa.update(recipients).where(recipients.c.id == id_).values(reason=text, text=text))
            paused = new_run(session, world.account_id, f"paused-{n}")
            session.execute(sa.update(runs).where(runs.c.id == paused).values(state=RunState.PAUSED, reason=text))
            of_run = sa.select(runs.c.campaign_id).where(runs.c.id == paused).scalar_subquery()
            session.execute(sa.update(campaigns).where(campaigns.c.id == of_run).values(slug=text))
            who = Actor(ActorKind.TOKEN, text)
            audit.append(session, who, "pause", now=now, subject=text)
            user = {"name": text, "role": Role.VIEWER, "password_hash": "", "created_at": now, "created_by": text}
            call = {"notice_id": n, "at": now, "target": text, "channel": "webhook", "event": "run.started"}
            alert = {"name": AlertName.PHONE_STUCK.value, "subject": text, "raised_at": now, "detail": {}}
            rows: list[tuple[sa.Table, dict[str, Any]]] = [
                (users, user | {"password_at": now}),
                (calls_out, call | {"problem": text, "seconds": 1.0}),
                (alerts, alert),
            ]
            for table, row in rows:
                session.execute(sa.insert(table).values(**row))
        account_id = ensure_account(session, account_fingerprint(GATEWAY))
        limit = {"account_id": account_id, "scope": "device:1", "source": "receipts", "rate": "1/minute"}
        session.execute(
            sa.insert(ceilings).values(**limit, reason=" ".join(HOSTILE), set_at=now, until=now + timedelta(days=1))
        )
        replies = [
            Incoming(n + 1, f"+39333{n:07}", text, 1, 0, now - timedelta(seconds=n), Meaning.REVIEW)
            for n, text in enumerate(HOSTILE)
        ]
        store_replies(session, world.account_id, replies, came_by="poll", now=now)
        entries = [Entry(f"+3933355{n:05}", "", text, "import", now) for n, text in enumerate(HOSTILE)]
        suppressions.suppress(session, entries, now=now)


@pytest.fixture
def reader(written: tuple[Runtime, str], browser: Browser) -> Iterator[BrowserContext]:
    runtime, url = written
    context = browser.new_context()
    secret = signed_in(runtime, f"reader-{runtime.clock.elapsed_seconds():.6f}", Role.ADMIN)
    context.add_cookies([{"name": COOKIE, "value": secret, "url": url, "httpOnly": True, "sameSite": "Strict"}])
    yield context
    context.close()


class Watched:
    """A page, and everything in it that shows that something was run, or would have been."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.said: list[str] = []
        page.on("console", lambda message: self.said.append(message.text))
        page.on("dialog", self._told)

    def _told(self, dialog: Dialog) -> None:
        self.said.append(dialog.message)
        dialog.dismiss()

    def text(self) -> str:
        """What stands on the page, none of which was run."""
        assert self.page.evaluate("window.ran") is None
        assert self.page.title() != "ran"
        main = self.page.locator("main")
        assert (
            main.locator("script, img, iframe, style, base, meta, math, details[ontoggle], a[href^=javascript]").count()
            == 0
        )
        return main.text_content() or ""


@pytest.mark.long
def test_what_people_write_is_shown_as_text_and_never_run(written: tuple[Runtime, str], reader: BrowserContext) -> None:
    assert len(set(HOSTILE)) == 200
    watched, shown = Watched(reader.new_page()), dict[str, str]()
    for path in dict.fromkeys(KINDS.values()):
        texts, place = [], path
        while place:
            watched.page.goto(written[1] + place)
            texts.append(watched.text())
            following = watched.page.locator("a[rel=next]")
            place = following.get_attribute("href") or "" if following.count() else ""
        shown[path] = "\n".join(texts)
    missing = {
        kind: [text for text in HOSTILE if text not in shown[path] and one_line(text) not in shown[path]]
        for kind, path in KINDS.items()
    }
    assert {kind: texts[:3] for kind, texts in missing.items() if texts} == {}
    for path in ("/needs", "/replies/7", "/campaigns/hostile", "/campaigns/hostile/plan", "/audit?verify=1"):
        watched.page.goto(written[1] + path)
        watched.text()
    assert watched.said == []


def test_the_report_shows_reasons_as_text(written: tuple[Runtime, str], reader: BrowserContext, tmp_path: Path) -> None:
    """It is a file, and is opened beside other files of the reader."""
    runtime, watched = written[0], Watched(reader.new_page())
    with (tmp_path / "report.html").open("w", encoding="utf-8") as stream:
        report = read_report(runtime.store, "hostile", None, now=runtime.clock.now())
        assert write_report(report, stream, runtime.settings.zone) == len(HOSTILE)
    watched.page.goto((tmp_path / "report.html").as_uri())
    shown = watched.text()
    assert sum(text in shown for text in HOSTILE) >= 10
    assert watched.said == []


@pytest.mark.long
def test_what_is_brought_in_files_is_shown_as_text_and_never_run(
    written: tuple[Runtime, str], reader: BrowserContext
) -> None:
    watched = Watched(reader.new_page())
    watched.page.goto(written[1] + "/submit")
    for first in range(0, len(HOSTILE), 10):
        names = HOSTILE[first : first + 10]
        watched.page.locator("[name=files]").set_input_files(
            [FilePayload(name=name, mimeType="text/plain", buffer=b"x") for name in names]
        )
        watched.page.get_by_role("button", name="Check", exact=True).click()
        text = watched.text()
        assert text.count("is neither a campaign file") == 10
    columns = ",".join(f'"{each.replace(chr(34), chr(34) * 2)}"' for each in HOSTILE)
    cells = "number,first_name\n" + "".join(
        f'+39333{n:07},"{each.replace(chr(34), chr(34) * 2)}"\n' for n, each in enumerate(HOSTILE)
    )
    for name, table in (("columns.csv", f"number,{columns}\n+393330000001{',' * 200}\n"), ("cells.csv", cells)):
        text = f"campaign: from-{name[:5]}\nmessage: Hi {{{{ first_name }}}}\naudience: {{file: {name}}}\n"
        watched.page.locator("[name=files]").set_input_files(
            FilePayload(name=name, mimeType="text/csv", buffer=table.encode())
        )
        watched.page.locator("textarea[name=text]").fill(text)
        watched.page.get_by_role("button", name="Plan", exact=True).click()
        watched.text()
    assert f"Hi {HOSTILE[0]}" in watched.text()
    for each in HOSTILE[::25]:
        watched.page.locator("textarea[name=text]").fill(f"campaign: {each}\nmessage: {each}\n{each}\n")
        watched.page.get_by_role("button", name="Check", exact=True).click()
        assert each in watched.page.locator("textarea[name=text]").input_value()
        watched.text()
    assert watched.said == []


def test_what_stands_in_an_address_is_shown_as_text(written: tuple[Runtime, str], reader: BrowserContext) -> None:
    (cookie,), page = reader.cookies(), {"Accept": "text/html"}
    with httpx.Client(base_url=written[1], cookies={COOKIE: str(cookie["value"])}, headers=page, timeout=60) as client:
        for n, text in enumerate(HOSTILE):
            shown = client.get("/audit", params={"campaign": text}).text
            assert [html.unescape(each) for each in re.findall(" selected>([^<]*)</option>", shown)] == [text]
            assert shown.count("<script") == 1, "our own"
            path = ("/campaigns/x", "/campaigns/hostile/people", "/replies", "/opt-outs", "/nowhere")[n % 5]
            shown = client.get(path, params={"state": text, "meaning": text, "run": text, "reason": text}).text
            assert shown.count("<script") == 1
