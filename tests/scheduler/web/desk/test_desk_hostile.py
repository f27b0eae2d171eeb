"""What somebody writes is shown as text: as a reply, a text, a reason, a file, a name. None of it is ever run."""

from datetime import timedelta
from itertools import product
from typing import Final

import pytest
from playwright.sync_api import Dialog

from campaigns.lifecycle import RecipientState
from campaigns.optout import Meaning
from tests.scheduler.web.desk.conftest import Desk, Opened
from tests.store.store_world import people
from worker.store.people import suppressions
from worker.store.people.stored_replies import Incoming, store_replies
from worker.store.people.suppressions import Entry

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


@pytest.mark.long
def test_what_people_write_is_shown_as_text_and_never_run(desk: Desk, opened: Opened) -> None:
    assert len(set(HOSTILE)) == 200
    world, now = desk.world, desk.runtime.clock.now()
    run_id = world.run(people(3, first=9_000, state=RecipientState.FAILED), campaign="hostile")
    world.set_run(run_id, reason=HOSTILE[0])
    with world.store.write() as session:
        written = [
            Incoming(10_000 + n, "+393330009001", text, 1, 0, now - timedelta(seconds=n), Meaning.REVIEW)
            for n, text in enumerate(HOSTILE)
        ]
        store_replies(session, world.account_id, written, came_by="poll", now=now)
        entries = [Entry(f"+3933355{n:05}", "", text, "import", now) for n, text in enumerate(HOSTILE)]
        suppressions.suppress(session, entries, now=now)
    page = opened().new_page()
    said: list[str] = []

    def told(dialog: Dialog) -> None:
        said.append(dialog.message)
        dialog.dismiss()

    page.on("console", lambda message: said.append(message.text))
    page.on("dialog", told)
    shown: dict[str, str] = {}
    for path in ("/replies", "/opt-outs"):
        texts, place = [], path
        while place:
            page.goto(desk.url + place)
            assert page.evaluate("window.ran") is None
            assert page.locator("main script, main img, main iframe, main style, main base, main meta").count() == 0
            texts += page.locator("tbody td").all_text_contents()
            following = page.locator("a[rel=next]")
            place = following.get_attribute("href") or "" if following.count() else ""
        shown[path] = "\n".join(texts)
    for path, text in shown.items():
        assert [each for each in HOSTILE if each not in text] == [], path
    for path in ("/", "/needs", "/campaigns", "/campaigns/hostile", "/campaigns/hostile/people"):
        page.goto(desk.url + path)
        assert page.evaluate("window.ran") is None
        assert page.title() != "ran"
    assert said == []
