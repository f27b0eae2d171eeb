"""Submit in the browser, without script: from a broken file to a campaign that is submitted and approved."""

import html
import json
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa

from campaigns.access import Role, Scope
from campaigns.definition.loader import MAX_BYTES
from campaigns.lifecycle import RunState
from scheduler.actions.access.users import add_user
from scheduler.actions.acting import Actor, ActorKind
from scheduler.actions.uploading.writing import FilledIn, compose, with_column
from scheduler.inbox.uploads import uploads_in
from scheduler.web.access import COOKIE
from scheduler.web.desk.receiving import MOST_BYTES, MOST_FILES
from tests.scheduler.web.caller import Door
from tests.scheduler.web.conftest import runtime_of
from worker.runtime import Runtime
from worker.store.access import sessions, tokens, users
from worker.store.events import EventName, record_event
from worker.store.tables import runs

PAGE = {"Sec-Fetch-Site": "same-origin"}
TABLE = b"Telefono,Nome\n+39 333 111 0001,Anna\n+39 333 111 0002,Luca\n12,Nobody\n"
BROKEN = """\
campaign: spring-sale
message: Hi {{ name }}, our sale begins “now”.
audiense:
  file: customers.csv
"""
MENDED = """\
campaign: spring-sale
message: Hi {{ name }}, our sale begins “now”.
approval: true
audience:
  file: customers.csv
"""


@dataclass(frozen=True)
class Reader:
    """Somebody at a browser that has no script."""

    client: httpx.Client

    def get(self, path: str) -> httpx.Response:
        return self.client.get(path)

    def send(self, path: str = "/submit", /, *tables: tuple[str, bytes], **fields: str) -> httpx.Response:
        """A form, as a browser sends it: with line breaks of two bytes, and an empty file where none was chosen."""
        files = [("files", each) for each in tables] or [("files", ("", b""))]
        sent = {name: value.replace("\n", "\r\n") for name, value in fields.items()}
        return self.client.post(path, data=sent, files=files)


def hidden(page: str, name: str) -> str:
    """The value of a hidden field, as a browser sends it."""
    found = re.search(f'type="hidden" name="{name}" value="([^"]*)"', page)
    assert found, page
    return html.unescape(found[1])


def text_in(page: str) -> str:
    found = re.search(r'<textarea name="text"[^>]*>\n(.*?)</textarea>', page, re.DOTALL)
    assert found, page
    return html.unescape(found[1])


def button(page: str, column: str) -> str:
    """What the button with this name of a column sends."""
    found = re.search(f'name="put" value="([^"]*)">{column}</button>', page)
    assert found, page
    return html.unescape(found[1])


@pytest.fixture
def desk(tmp_path: Path, migrated: Callable[[Path], None]) -> Iterator[Runtime]:
    migrated(tmp_path)
    made = runtime_of(f"sqlite:///{tmp_path / 'campaigns.db'}", inbox=tmp_path / "inbox")
    yield made
    made.close()


@pytest.fixture
def reader_of() -> Iterator[Callable[[Runtime], Callable[[Role], Reader]]]:
    """Somebody who is signed in at the door of a runtime."""
    clients: list[httpx.Client] = []
    with ExitStack() as doors:

        def at(runtime: Runtime) -> Callable[[Role], Reader]:
            return partial(signed_in, runtime, doors.enter_context(Door(runtime)))

        def signed_in(runtime: Runtime, door: Door, role: Role) -> Reader:
            now, store = runtime.clock.now(), runtime.store
            add_user(store, Actor(ActorKind.CLI, "root"), role.value, role, None, now=now)
            with store.write() as session:
                user = users.credentials(session, role.value)
                assert user is not None
                secret = sessions.create(session, user.user_id, role.value, role, now=now)
            clients.append(httpx.Client(base_url=door.url, cookies={COOKIE: secret}, headers=PAGE, timeout=60))
            return Reader(clients[-1])

        yield at
        for client in clients:
            client.close()


@pytest.fixture
def reader(desk: Runtime, reader_of: Callable[[Runtime], Callable[[Role], Reader]]) -> Callable[[Role], Reader]:
    return reader_of(desk)


def runs_in(runtime: Runtime) -> int:
    with runtime.store.read() as session:
        return session.scalars(sa.select(sa.func.count()).select_from(runs)).one()


def test_from_a_broken_file_to_an_approved_campaign(desk: Runtime, reader: Callable[[Role], Reader]) -> None:
    author, operator = reader(Role.AUTHOR), reader(Role.OPERATOR)
    assert "Drop tables" in author.get("/submit").text
    # A file and a table are brought: the mistake is told at its line, and the table is kept.
    page = author.send("/submit", ("spring-sale.yaml", BROKEN.encode()), ("customers.csv", TABLE), do="check").text
    assert text_in(page) == BROKEN
    assert re.search(r'<li value="3" class="bad"><code>audiense:</code>\s*<p class="problem">Line 3, column 1', page)
    assert "customers.csv is stored, with 3 rows. A campaign file can name it now." in page
    assert re.search(r"<td>4</td><td>[^<]+</td>", page), "the row without a usable number, and why"
    # Mended, it still asks for columns that the table does not have: a click puts each into the text.
    page = author.send(text=MENDED, do="check").text
    assert "Which column of customers.csv holds the numbers?" in page
    assert "<p>columns: telefono, nome." in page, "rows that were not read are not said to be none"
    page = author.send(text=text_in(page), put=button(page, "telefono")).text
    assert "  file: customers.csv\n  number: telefono\n" in text_in(page)
    page = author.send(text=text_in(page), put=button(page, "nome")).text
    assert "Hi {{ nome }}, our" in text_in(page)
    assert "No mistakes were found" in page
    # The plan: figures, who gets nothing, what costs; an author sees no texts of people.
    text = text_in(page)
    page = author.send(text=text, do="plan").text
    assert "LEFT DOUBLE QUOTATION MARK" in page
    assert "Who gets nothing, and why" in page
    assert ("Anna" in page, "Hi {{ nome }}, our" in page) == (False, True)
    assert "The longest text: 1 segment, UCS-2" in page
    assert "Hi Anna, our sale begins" in operator.send(text=text, do="plan").text
    assert runs_in(desk) == 0, "nothing is submitted before somebody pressed Submit"
    # Submitted, and approved by somebody else.
    done = author.send("/submit/exactly", text=hidden(page, "text"), seen=hidden(page, "seen"))
    assert (done.status_code, done.headers["location"]) == (303, "/campaigns/spring-sale/plan")
    page = author.get("/campaigns/spring-sale/plan").text
    assert "spring-sale is submitted. Nothing is sent until somebody approves its plan." in page
    assert "It waits for approval. Until somebody approves it, nothing is sent. That is for approvers, op" in page
    assert re.search(r'people\?run=1&amp;state=invalid">1</a>', page)
    plan = hidden(operator.get("/campaigns/spring-sale/plan").text, "plan")
    approved = operator.client.post("/campaigns/spring-sale/approve", data={"plan": plan})
    assert approved.status_code == 303
    assert "It waits for approval" not in author.get("/campaigns/spring-sale/plan").text
    # The next version: the difference to this one, with its lines only for those who may see texts.
    again = text.replace("sale begins", "winter sale begins")
    pages = [each.send(text=again, do="plan").text for each in (author, operator)]
    assert ["1 line added, 1 line removed." in page for page in pages] == [True, True]
    assert ["<ins>+ message: Hi {{ nome }}, our winter" in page for page in pages] == [False, True]


def test_both_pages_of_a_plan_say_how_many_a_rule_left_out(desk: Runtime, reader: Callable[[Role], Reader]) -> None:
    author, number = reader(Role.AUTHOR), "+39 333 765 4321"
    rule = f"city == 'Rome' or phone == '{number.replace(' ', '')}'"
    text = f'campaign: rome\nmessage: Hi\naudience:\n  file: cities.csv\n  number: phone\n  where: "{rule}"\n'
    table = f"phone,city\n+393331234567,Rome\n{number},Milan\n+393331234568,\n".encode()

    page = author.send("/submit", ("rome.yaml", text.encode()), ("cities.csv", table), do="plan").text
    author.send("/submit/exactly", text=hidden(page, "text"), seen=hidden(page, "seen"))

    for each in (page, author.get("/campaigns/rome/plan").text):
        said = html.unescape(re.sub("<[^>]+>", "", each))
        assert "Left out of cities.csv by where: city == 'Rome' or phone == '+…': 2 rows." in said


def test_both_pages_of_a_plan_say_what_each_phone_takes(desk: Runtime, reader: Callable[[Role], Reader]) -> None:
    author = reader(Role.AUTHOR)
    text = (
        "campaign: own-phones\nmessage: Hi\naudience: {file: own.csv, number: phone}\n"
        "devices: {use: [1, '2|0'], stick: recipient}\n"
    )
    table = "phone\n" + "".join(f"+3933312345{place:02}\n" for place in range(30))

    page = author.send("/submit", ("own.yaml", text.encode()), ("own.csv", table.encode()), do="plan").text
    author.send("/submit/exactly", text=hidden(page, "text"), seen=hidden(page, "seen"))

    for shown in (page, author.get("/campaigns/own-phones/plan").text):
        rows = re.findall(r'<tr><th scope="row">(Phone [^<]*)</th><td class="n">(\d+)</td>', shown)
        assert [name for name, _ in rows] == ["Phone 1", "Phone 2 (SIM slot 0)"]
        assert sum(int(texts) for _, texts in rows) == 30


def test_a_plan_shows_its_steps_and_their_texts(desk: Runtime, reader: Callable[[Role], Reader]) -> None:
    author = reader(Role.AUTHOR)
    text = (
        "campaign: nudged\nmessage: Hi\naudience: {file: nudged.csv, number: phone}\n"
        "steps: [{name: nudge, after: 3d, unless: replied, message: Still there?}]\n"
    )
    page = author.send(
        "/submit", ("nudged.yaml", text.encode()), ("nudged.csv", b"phone\n+393331110009\n"), do="plan"
    ).text
    line = "nudge, 3d after the text before: 0 to 1 text, unless replied"
    assert line in page
    assert "<figcaption>Step nudge, as it is written</figcaption>\n<blockquote>Still there?</blockquote>" in page
    author.send("/submit/exactly", text=hidden(page, "text"), seen=hidden(page, "seen"))
    stored = author.get("/campaigns/nudged/plan").text
    assert line in stored
    assert "<figcaption>Step nudge, as it is written</figcaption><blockquote>Still there?</blockquote>" in stored


def test_another_plan_than_the_one_that_was_seen_is_not_submitted(
    desk: Runtime, reader: Callable[[Role], Reader]
) -> None:
    author = reader(Role.AUTHOR)
    text = MENDED.replace("{{ name }}", "you").replace("customers.csv", "customers.csv\n  number: telefono")
    page = author.send("/submit", ("customers.csv", TABLE), text=text, do="plan").text
    author.send("/submit", ("customers.csv", TABLE + b"+39 333 111 0003,Eva\n"), column="telefono")
    other = author.send("/submit/exactly", text=hidden(page, "text"), seen=hidden(page, "seen"))
    assert other.status_code == 412
    assert "Nothing was submitted" in other.text
    assert "3 pending instead of 2" in other.text
    assert runs_in(desk) == 0
    # Nor another text with the plan of the first, nor one without a plan.
    changed = author.send("/submit/exactly", text=text + "\n# more\ndescription: x\n", seen=hidden(other.text, "seen"))
    assert (changed.status_code, "the file was changed" in changed.text) == (412, True)
    for seen in ("", "{}", "[]", "null", '{"plan": 1, "file": 2, "counts": {"a": "b"}}', "[" * 5_000):
        assert author.send("/submit/exactly", text=text, seen=seen).status_code == 422, seen
    assert runs_in(desk) == 0
    assert author.send("/submit/exactly", text=text, seen=hidden(other.text, "seen")).status_code == 303
    assert runs_in(desk) == 1


def test_a_form_writes_the_file_and_shows_it_first(desk: Runtime, reader: Callable[[Role], Reader]) -> None:
    author = reader(Role.AUTHOR)
    page = author.send("/submit", ("Clienti 2026 (1).csv", TABLE), do="check").text
    assert "Clienti-2026-1-.csv is stored" in page
    assert "<option selected>telefono</option><option>nome</option>" in page
    filled = {
        "name": "spring-sale",
        "message": "Hi {{ nome }}!\nSee you.",
        "table": "Clienti-2026-1-.csv",
        "column": "telefono",
        "country": "it",
        "rate": "30/minute",
        "window_from": "09:00",
        "window_to": "20:00",
        "start": "2099-12-01T10:00",
        "approval": "yes",
    }
    page = author.send(**filled, do="write").text
    assert text_in(page).splitlines() == [
        "campaign: spring-sale",
        "message: |-",
        "  Hi {{ nome }}!",
        "  See you.",
        "audience:",
        "  file: Clienti-2026-1-.csv",
        "  number: telefono",
        'default_region: "IT"',
        "throughput:",
        '  rate: "30/minute"',
        "schedule:",
        '  start: "2099-12-01 10:00"',
        '  window: {from: "09:00", to: "20:00"}',
        "  timezone: UTC",
        "approval: true",
    ]
    assert "No mistakes were found" in page
    assert "Submit exactly this plan" in author.send(text=text_in(page), do="plan").text
    assert runs_in(desk) == 0


def test_a_plan_says_what_would_make_it_end_in_time(desk: Runtime, reader: Callable[[Role], Reader]) -> None:
    author = reader(Role.AUTHOR)
    slow = (
        "campaign: slow\nmessage: Hi\naudience: {file: customers.csv, number: telefono}\n"
        "throughput: {rate: 1/hour}\nschedule: {start: 2099-12-01 10:00, timezone: Europe/Rome}\n"
    )
    author.send("/submit", ("customers.csv", TABLE), text=slow, do="check")

    def said(by: str) -> str:
        page = author.send(text=slow, by=by, do="plan").text
        return html.unescape(re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", page))).replace(" ?", "?")

    assert "Done by Tue 2099-12-01 09:30 (UTC)? No. Each of these changes alone would be enough:" in said(
        "2099-12-01T09:30"
    )
    assert "throughput.rate 1/hour 2/hour Tue 2099-12-01 09:30 (UTC)" in said("2099-12-01T09:30")
    assert "schedule.start 2099-12-01 10:00 2099-12-01 09:30" in said("2099-12-01T09:30")
    assert "Yes, the last text leaves before." in said("2099-12-01T12:00")
    assert "alone would be enough" not in said("")
    assert "both day and time of Done by" in said("soon")


def test_people_of_an_earlier_campaign_are_chosen_in_the_form(desk: Runtime, reader: Callable[[Role], Reader]) -> None:
    author = reader(Role.AUTHOR)
    first = "campaign: first\nmessage: Hi\naudience: {file: customers.csv, number: telefono}\n"
    page = author.send("/submit", ("customers.csv", TABLE), text=first, do="plan").text
    author.send("/submit/exactly", text=hidden(page, "text"), seen=hidden(page, "seen"))
    assert "people of an earlier campaign" not in author.get("/submit").text, "it has not begun"
    with desk.store.write() as session:
        session.execute(sa.update(runs).values(started_at=desk.clock.now()))

    assert "<option>first</option>" in author.get("/submit").text
    chosen = {
        "name": "nudge",
        "message": "Still there?",
        "earlier": "first",
        "who": 'state == "delivered" and not replied',
    }
    page = author.send(**chosen, approval="yes", do="write").text
    assert text_in(page).splitlines() == [
        "campaign: nudge",
        'message: "Still there?"',
        "audience:",
        "  campaign: first",
        '  where: "state == \\"delivered\\" and not replied"',
        "approval: true",
    ]
    assert "No mistakes were found" in page
    assert "<option selected>first</option>" in page
    text = text_in(page).replace('state == \\"delivered\\"', 'state == \\"pending\\"')
    page = author.send(text=text, do="plan").text
    assert "Left out of <code>campaign first</code>" in page
    author.send("/submit/exactly", text=hidden(page, "text"), seen=hidden(page, "seen"))
    again = author.send(text=text, do="plan").text
    assert "nudge is planned already, with the people of its earlier campaigns as they were then" in again
    unknown = author.send(text=text.replace("campaign: first", "campaign: frist"), do="plan").text
    assert "there is no campaign frist" in unknown


@pytest.mark.parametrize(
    ("text", "name", "column", "is_number", "expected"),
    [
        ("audience: {file: a.csv}", "number", "tel no", True, 'audience: {file: a.csv, number: "tel no"}'),
        ("audience:\n  - file: a.csv", "number", "tel", True, "audience:\n  - file: a.csv\n    number: tel"),
        (
            "audience:\n  file: a.csv\n  number: 'x y' # c",
            "x y",
            "t",
            True,
            "audience:\n  file: a.csv\n  number: t # c",
        ),
        ("audience: [", "number", "tel", True, "audience: ["),
        ("message: name {{ Name | default('name') }}", "name", "n", False, "message: name {{ n | default('name') }}"),
    ],
)
def test_a_column_is_put_where_the_text_asks_for_it(
    text: str, name: str, column: str, is_number: bool, expected: str
) -> None:
    assert with_column(text, name, column, is_number=is_number) == expected


@pytest.mark.parametrize(
    "hostile",
    ["a: b # c", "x\ncampaign: other", '"', "'", "{{", "- a", "!!python/object:os.system x", "\\", "true", "&a"],
)
def test_what_is_filled_in_stays_a_value(hostile: str, desk: Runtime, reader: Callable[[Role], Reader]) -> None:
    from campaigns.definition.loader import parse_document

    written = compose(
        FilledIn(
            hostile,
            hostile,
            hostile,
            hostile,
            hostile,
            hostile,
            hostile,
            hostile,
            hostile,
            hostile,
            hostile,
            hostile,
            True,
        )
    )
    document = parse_document(written, "campaign.yaml")
    assert document.value(("campaign",)) == hostile
    assert document.value(("message",)) == hostile
    earlier, table = {"campaign": hostile, "where": hostile}, {"file": hostile, "number": hostile}
    assert document.value(("audience",)) == [earlier, table]
    assert document.value(("schedule", "window")) == {"from": hostile, "to": hostile}


def test_a_form_is_bounded_in_length_files_and_text(desk: Runtime, reader: Callable[[Role], Reader]) -> None:
    author = reader(Role.AUTHOR)
    too_many = [(f"t{place}.csv", TABLE) for place in range(MOST_FILES + 1)]
    assert author.send("/submit", *too_many).status_code == 422
    assert author.send("/submit", text="x" * (2 * MAX_BYTES + 1)).status_code == 422
    assert "larger than 256 KiB" in author.send("/submit", text="# " + "x" * MAX_BYTES).text
    kept = uploads_in(desk.settings.inbox)
    assert not kept.exists() or not list(kept.glob("*.csv"))
    # A body that says it is too long, or goes on without an end, is refused before it has arrived.
    head = b'--x\r\nContent-Disposition: form-data; name="files"; filename="t.csv"\r\n\r\n'

    def endless() -> Iterator[bytes]:
        yield head
        for _ in range(MOST_BYTES // 2**20 + 8):
            yield b"x" * 2**20

    kind = {"Content-Type": "multipart/form-data; boundary=x"}
    try:
        refused = author.client.post("/submit", content=endless(), headers=kind)
        assert (refused.status_code, "at most 64 MB" in refused.text) == (413, True)
    except httpx.WriteError:
        pass  # the door has closed the connection while the rest was on its way
    assert author.client.post("/submit", content=b"nonsense", headers=kind).status_code == 422
    assert (
        author.client.post("/submit", content=b"", headers={"Content-Type": "multipart/form-data"}).status_code == 422
    )
    assert not list(kept.glob(".upload-*"))


@pytest.mark.parametrize(
    ("filename", "kept"),
    [
        ("../../evil.csv", "evil.csv"),
        ("C:\\Users\\x\\t.csv", "t.csv"),
        (".hidden.csv", "hidden.csv"),
        ("<script>alert(1)</script>.csv", "script-.csv"),
        ("..csv", ""),
        (".csv", ""),
        ("a" * 200 + ".csv", ""),
        ("<img src=x>.exe", ""),
    ],
)
def test_a_hostile_file_name_is_only_ever_text(
    filename: str, kept: str, desk: Runtime, reader: Callable[[Role], Reader]
) -> None:
    page = reader(Role.AUTHOR).send("/submit", (filename, TABLE), do="check")
    assert page.status_code == 200
    assert not re.search("<(script>|img)", page.text)
    folder = uploads_in(desk.settings.inbox)
    found = [each.name for each in folder.glob("*") if not each.name.startswith(".")] if folder.exists() else []
    assert found == ([kept] if kept else [])
    assert not list(desk.settings.inbox.parent.rglob("evil.csv")) or kept == "evil.csv"


def test_hostile_text_is_shown_as_text(reader: Callable[[Role], Reader]) -> None:
    author = reader(Role.AUTHOR)
    hostile = "</textarea><script>alert(1)</script>"
    for fields in ({"text": hostile}, {"text": f"campaign: {hostile}"}, {"message": hostile, "do": "write"}):
        page = author.send("/submit", **fields)
        assert "<script>alert" not in page.text
        assert "&lt;script&gt;alert(1)" in page.text
    table = b'number,<script>alert(1)</script>\n+39 333 111 0001,"<script>alert(2)</script>"\n'
    text = "campaign: x\nmessage: Hi {{ z }}\naudience: {file: t.csv}\n"
    page = author.send("/submit", ("t.csv", table), text=text)
    assert "<script>alert" not in page.text
    for put in ("", "{}", "[1]", "[[[", '["number", "number", "</textarea><script>alert(1)"]'):
        assert "<script>alert" not in author.send(text=text, put=put).text


def test_who_may_plan_and_who_may_submit(desk: Runtime, reader: Callable[[Role], Reader]) -> None:
    text = "campaign: x\nmessage: Hi\naudience: {recipients: [{number: '+393331110001'}]}\n"
    viewer = reader(Role.VIEWER)
    assert [viewer.get("/submit").status_code, viewer.send(text=text).status_code] == [403, 403]
    assert "This is for authors, approvers, operators and admins" in viewer.get("/submit").text
    with desk.store.write() as session:
        scopes = [Scope.READ, Scope.PLAN]
        token = tokens.create(session, "planner", scopes, by="tests", now=desk.clock.now())
    viewer.client.cookies.clear()
    nobody = viewer.get("/submit")
    assert (nobody.status_code, nobody.headers["location"]) == (303, "/signin?next=%2Fsubmit")
    viewer.client.headers["Authorization"] = f"Bearer {token}"
    page = viewer.send("/submit", ("t.csv", TABLE), text=text, do="plan")
    assert (
        page.status_code,
        "This is for authors, approvers, operators and admins. An admin can give" in page.text,
    ) == (403, True)
    page = viewer.send("/submit", text=text, do="plan")
    assert ("You may plan it, and not submit it" in page.text, "/submit/exactly" in page.text) == (True, False)
    assert viewer.send("/submit/exactly", text=text, seen="{}").status_code == 403
    assert not list(uploads_in(desk.settings.inbox).glob("t.csv"))
    assert runs_in(desk) == 0


def test_who_approves_sees_the_text(desk: Runtime, reader: Callable[[Role], Reader]) -> None:
    author = reader(Role.AUTHOR)
    text = "campaign: x\nmessage: Ciao {{ nome }}\naudience: {file: t.csv, number: telefono}\napproval: true\n"
    page = author.send("/submit", ("t.csv", TABLE), text=text, do="plan").text
    author.send("/submit/exactly", text=hidden(page, "text"), seen=hidden(page, "seen"))
    plan = reader(Role.APPROVER).get("/campaigns/x/plan").text
    assert ("Approve exactly this plan" in plan, "Ciao {{ nome }}" in plan, "Ciao Anna" in plan) == (True, True, False)
    assert "Ciao Anna" in reader(Role.OPERATOR).get("/campaigns/x/plan").text


def test_what_is_replaced_is_shown_before_and_after_it_is_submitted(
    desk: Runtime, reader: Callable[[Role], Reader]
) -> None:
    author, operator = reader(Role.AUTHOR), reader(Role.OPERATOR)
    long = "it’s time: our sale begins on Saturday at nine, in all our shops"
    text = f"campaign: x\nmessage: 'Ciao {{{{ nome }}}}, {long}'\nencoding: gsm\n"
    text += "audience: {file: t.csv, number: telefono}\n"
    page = author.send("/submit", ("t.csv", TABLE), text=text, do="plan").text
    seen = operator.send(text=text, do="plan").text
    for each in (page, seen):
        assert "<p>2 texts take 2 fewer segments in GSM characters.</p>" in each
        assert "<kbd>’</kbd> U+2019 RIGHT SINGLE QUOTATION MARK by <kbd>&#39;</kbd>, in 2 texts" in each
    assert ("One text, as it is written" in page, "One text, as it is written" in seen) == (False, True)
    assert re.search(r"as it is sent</figcaption><blockquote>Ciao Anna, it&#39;s time", seen)
    author.send("/submit/exactly", text=hidden(page, "text"), seen=hidden(page, "seen"))
    stored = author.get("/campaigns/x/plan").text
    assert "2 texts take 2 fewer segments in GSM characters. Replaced: <kbd>’</kbd> by <kbd>&#39;</kbd> in 2" in stored
    assert "<small>2 texts take 2 fewer segments in GSM characters</small>" in author.get("/campaigns/x").text


@pytest.mark.parametrize("site", ["cross-site", "same-site", "none", ""])
def test_a_page_elsewhere_submits_nothing(site: str, desk: Runtime, reader: Callable[[Role], Reader]) -> None:
    author = reader(Role.AUTHOR)
    text = "campaign: x\nmessage: Hi\naudience: {file: t.csv, number: telefono}\n"
    page = author.send("/submit", ("t.csv", TABLE), text=text, do="plan").text
    seen = hidden(page, "seen")
    assert json.loads(seen)["counts"]["pending"] == 2
    author.client.headers["Sec-Fetch-Site"] = site
    for path in ("/submit", "/submit/exactly"):
        assert author.send(path, ("u.csv", TABLE), text=text, seen=seen).status_code == 403
    assert not list(uploads_in(desk.settings.inbox).glob("u.csv"))
    assert runs_in(desk) == 0


def test_the_same_file_by_the_api_is_the_same_file(desk: Runtime, reader: Callable[[Role], Reader]) -> None:
    author = reader(Role.AUTHOR)
    text = "campaign: x\nmessage: Hi\naudience: {file: t.csv, number: telefono}\n"
    page = author.send("/submit", ("t.csv", TABLE), text=text, do="plan").text
    put = author.client.put("/v1/campaigns/x", content=text, headers={"Content-Type": "application/yaml"})
    assert put.json()["taken"] == "planned"
    done = author.send("/submit/exactly", text=hidden(page, "text"), seen=hidden(page, "seen"))
    assert (done.status_code, runs_in(desk)) == (303, 1)
    assert "x is submitted. It is under way already, and goes on as planned." in author.get("/campaigns/x").text


def test_a_name_that_is_used_is_told_before_anything_is_submitted(
    desk: Runtime, reader: Callable[[Role], Reader]
) -> None:
    """By what `take_up` decides: a plan of another text, or of one that is over, is never shown as if it would go."""
    author, store = reader(Role.AUTHOR), desk.store
    text = "campaign: x\nmessage: Hi\naudience: {file: t.csv, number: telefono}\n"
    other = text.replace("Hi", "A new text")
    faster = text + "throughput: {rate: 30/minute}\n"
    page = author.send("/submit", ("t.csv", TABLE), text=text, do="plan").text
    assert "exists already" not in page
    seen = hidden(page, "seen")
    assert author.send("/submit/exactly", text=text, seen=seen).status_code == 303
    page = author.send(text=other, do="plan").text
    assert "this file goes to it: what it has sent stays, and the rest is planned anew from this file." in page
    seen_other = hidden(page, "seen")
    with store.write() as session:  # as the sender notes it for a text that it finds at the gateway
        record_event(session, EventName.RUN_ACCEPTED_BEFORE, now=desk.clock.now(), run_id=1)
    for do in ("check", "plan"):
        told = author.send(text=other, do=do)
        assert (told.status_code, "/submit/exactly" in told.text) == (409, False)
        assert "x.yaml was changed after x began to send" in told.text
        assert "No mistakes were found" not in told.text
    refused = author.send("/submit/exactly", text=other, seen=seen_other)
    assert (refused.status_code, "was changed after x began to send" in refused.text) == (409, True)
    page = author.send(text=faster, do="plan").text
    assert "continues with the limits of this file. Only people who are new in its tables are added." in page
    assert author.send("/submit/exactly", text=faster, seen=hidden(page, "seen")).status_code == 303
    repeats = text + "schedule: {repeat: {cron: '0 10 * * *'}}\n"
    page = author.send(text=repeats, do="check").text
    assert "x.yaml repeats now, but x was sent before" in page
    # Over: another text is refused, and the same one takes new people alone.
    with store.write() as session:
        now = desk.clock.now()
        session.execute(sa.update(runs).values(state=RunState.COMPLETED, finished_at=now))
    for do in ("check", "plan"):
        told = author.send(text=other, do=do)
        assert (told.status_code, "/submit/exactly" in told.text) == (409, False)
        assert "A campaign called x has already run, and is over: to send this, choose another name" in told.text
    refused = author.send("/submit/exactly", text=other, seen=seen_other)
    assert (refused.status_code, "has already run" in refused.text) == (409, True)
    assert "it has run, and nobody gets its text again. Only people" in author.send(text=faster, do="plan").text
    assert runs_in(desk) == 1


@pytest.mark.parametrize(
    ("filled", "sentence"),
    [
        ({"do": "check"}, "There is no campaign file yet"),
        ({"do": "plan"}, "There is no campaign file yet"),
        ({"do": "write", "name": "x", "message": "Hi"}, "Choose a table"),
        ({"do": "write", "table": "t.csv", "window_from": "09:00"}, "Fill in both Send from and until, or neither"),
        ({"do": "write", "table": "t.csv", "window_to": "20:00"}, "Fill in both Send from and until, or neither"),
    ],
)
def test_what_the_form_lacks_is_told(filled: dict[str, str], sentence: str, reader: Callable[[Role], Reader]) -> None:
    page = reader(Role.AUTHOR).send(**filled)
    assert (page.status_code, f'<p class="problem" role="alert">{sentence}' in page.text) == (422, True)
    assert text_in(page.text) == ""
    assert all(f'value="{value}"' in page.text for name, value in filled.items() if name.startswith("window"))


@pytest.mark.parametrize(
    ("more", "button_says", "says"),
    [
        (
            "schedule: {start: '2099-12-01 09:00'}\n",
            "Submit: sending to 2 people starts Tue 2099-12-01 09:00 (UTC)",
            "Its texts are sent from Tue 2099-12-01 09:00 (UTC) on.",
        ),
        (
            "schedule: {start: '2099-12-01 09:00'}\napproval: true\n",
            "Submit exactly this plan",
            "Nothing is sent until somebody approves its plan.",
        ),
        ("", "Submit: sending to 2 people starts now", "Its texts are sent from now on."),
    ],
)
def test_what_happens_next_is_told(more: str, button_says: str, says: str, reader: Callable[[Role], Reader]) -> None:
    author = reader(Role.AUTHOR)
    text = f"campaign: x\nmessage: Hi\naudience: {{file: t.csv, number: telefono}}\n{more}"
    page = author.send("/submit", ("t.csv", TABLE), text=text, do="plan").text
    assert f"<button>{button_says}</button>" in page
    done = author.send("/submit/exactly", text=hidden(page, "text"), seen=hidden(page, "seen"))
    # It leads to where it is sent, or else to where it is approved.
    assert done.headers["location"] == ("/campaigns/x/plan" if "approves" in says else "/campaigns/x")
    assert f"x is submitted. {says}" in author.get(done.headers["location"]).text
    again = author.send("/submit", ("t.csv", TABLE), text=text, do="check").text
    assert "t.csv is the same as the one stored already. A campaign file can name it now." in again
    other = author.send("/submit", ("t.csv", TABLE + b"12,Nobody\n"), do="check").text
    assert re.search(r"t.csv is stored, with 4 rows. It replaces the one of [^<]+ \(UTC\), with 3 rows. A camp", other)


def test_the_zone_of_the_times_is_named_at_the_fields(reader: Callable[[Role], Reader]) -> None:
    author = reader(Role.AUTHOR)
    author.client.cookies["campaigns_zone"] = "Europe%2FRome"
    page = author.get("/submit").text
    for label in ("Send from (Europe/Rome)", "until (Europe/Rome)", "Start (Europe/Rome; empty: at once)"):
        assert f"<label>{label} <input" in page


def test_a_table_that_was_not_kept_is_asked_for_as_in_a_browser(reader: Callable[[Role], Reader]) -> None:
    text = "campaign: x\nmessage: Hi\naudience: {file: t.csv}\n"
    author = reader(Role.AUTHOR)
    page = author.send("/submit", ("t.csv", b"number,number\n1,2\n"), text=text, do="check").text
    assert "t.csv was not stored" in page
    assert "correct the table, and bring it again" in page
    assert "upload it first, or correct the name" in author.send(text=text, do="check").text
    assert "beside" not in page


NATIONAL = b"id,phone,first_name\n1001,202-555-0121,Anna\n1002,202-555-0122,Bruno\n1003,12,Nobody\n"
OF_A_COUNTRY = """\
campaign: x
message: Hi
audience:
  - file: national.csv
    number: phone
default_region: us
exclude: {file: away.csv, number: phone}
"""


@pytest.fixture
def of_no_country(tmp_path: Path, migrated: Callable[[Path], None]) -> Iterator[Runtime]:
    migrated(tmp_path)
    made = runtime_of(f"sqlite:///{tmp_path / 'campaigns.db'}", inbox=tmp_path / "inbox", region=None)
    yield made
    made.close()


@pytest.mark.parametrize("is_dropped", [True, False])
def test_a_table_of_national_numbers_is_read_as_its_campaign_file_says(
    is_dropped: bool, of_no_country: Runtime, reader_of: Callable[[Runtime], Callable[[Role], Reader]]
) -> None:
    author = reader_of(of_no_country)(Role.AUTHOR)
    tables = [("national.csv", NATIONAL), ("away.csv", b"phone\n202-555-0123\n")]
    if is_dropped:
        page = author.send("/submit", *tables, ("x.yaml", OF_A_COUNTRY.encode()), do="check").text
    else:
        page = author.send("/submit", *tables, text=OF_A_COUNTRY, do="check").text
    assert "national.csv is stored, with 3 rows" in page
    assert "away.csv is stored, with 1 row" in page
    assert "1 row without a usable number in phone; these people get nothing." in page
    assert "without a country code" not in page
    assert "No mistakes were found" in page


def test_a_table_of_national_numbers_without_a_country_is_kept_and_asks_for_it(
    of_no_country: Runtime, reader_of: Callable[[Runtime], Callable[[Role], Reader]]
) -> None:
    author = reader_of(of_no_country)(Role.AUTHOR)
    page = author.send("/submit", ("national.csv", NATIONAL), do="check").text
    assert "national.csv is stored, with 3 rows" in page
    assert "<option selected>phone</option>" in page, "and not the numbers of the customers"
    assert "3 rows without a country code in phone: whether these people get a text depends on the country" in page
    assert ("these people get nothing" in page, "?region" in page) == (False, False)
    assert "<td>2</td><td>has no country code: name the country in the form, or as default_region" in page
    page = author.send("/submit", ("national.csv", NATIONAL), do="check", country="us").text
    assert "1 row without a usable number in phone; these people get nothing." in page


def test_another_table_is_not_suggested_for_one_that_was_just_refused(reader: Callable[[Role], Reader]) -> None:
    author = reader(Role.AUTHOR)
    text = "campaign: x\nmessage: Hi\naudience: {file: customers-new.csv, number: phone}\n"
    author.send("/submit", ("customers.csv", TABLE))
    broken = ("customers-new.csv", b"number,number\n1,2\n")
    page = author.send("/submit", broken, text=text, do="check").text
    assert "customers-new.csv was not stored: " in page
    assert "was brought, but not stored: what is wrong with it is said above" in page
    assert "did you mean customers.csv" not in page
