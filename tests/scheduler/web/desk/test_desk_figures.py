"""What pages say is what there is, and what a form does is done: asked without a browser."""

import csv
import html
import json
import re
from collections import Counter
from datetime import timedelta
from typing import Final
from urllib.parse import unquote

import httpx
import pytest
from typer.testing import CliRunner

from campaigns.access import Role
from campaigns.lifecycle import RecipientState, RunState
from campaigns.optout import Meaning
from campaigns.protocol.declarations import Declared
from scheduler.actions.reading.lists import read_suppressions
from scheduler.actions.reading.replies import read_conversation, read_replies
from scheduler.actions.resolving import resolve, to_decide
from scheduler.cli.app import app
from scheduler.doctor.database import check_processes
from scheduler.report.meanings import explained
from scheduler.web.access import COOKIE
from tests.scheduler.web.desk.conftest import Desk
from tests.scheduler.web.desk.seeded import ROOT
from worker.store.access.processes import arrive


def links(page: str) -> list[tuple[str, int]]:
    """Every figure that is a link: its address, and the figure."""
    found = re.findall(r'<a href="([^"]+)">(?:<strong>)?([\d,]+)(?:</strong>)?(?: person| people)?\b', page)
    return [(html.unescape(url), int(figure.replace(",", ""))) for url, figure in found]


def rows(admin: httpx.Client, url: str) -> int:
    """How many rows a list has, on all of its pages; of what needs somebody: how many tasks a section has."""
    if url.startswith("/needs#"):
        section = admin.get(url).text.split(f'<section aria-labelledby="{url.partition("#")[2]}"')[1]
        return section.split("</section>")[0].count("<li>")
    count, place = 0, url
    while place:
        page = admin.get(place).text
        body = page.split("<tbody>")[1].split("</tbody>")[0]
        count += body.count("<tr>") - body.count("colspan")
        following = re.search(r'href="([^"]+)" rel="next"', page)
        place = html.unescape(following[1]) if following else ""
    return count


BEGINNINGS: Final = ("/", "/compare?campaign=divided", "/compare?campaign=spring-sale&campaign=divided")
"""What no page leads to comes besides."""

LED: Final = ("/fleet", *BEGINNINGS[1:])
"""Pages on which no figure may stand without a link."""


def bare(page: str) -> list[str]:
    """The cells of a page's first table that begin with a figure, and lead nowhere."""
    return re.findall(r"<td[^>]*>([\d,]+)(?=[\s<])", page.split("<tbody>")[1].split("</tbody>")[0])


MOST_ALIKE: Final = 5
"""Pages of the same address with other values: a calendar has no last day."""


@pytest.mark.long
def test_every_figure_on_every_page_leads_to_rows_whose_count_it_is(admin: httpx.Client) -> None:
    """Every page to which a link leads is read: each answers, and each figure on it is the number of rows behind it."""
    alike = Counter[str]()
    waiting, seen, counted, wrong = (
        [*BEGINNINGS],
        {*BEGINNINGS},
        dict[str, int](),
        dict[tuple[str, str], tuple[int, int]](),
    )
    while waiting:
        here = waiting.pop()
        page = admin.get(here)
        assert page.status_code == 200, here
        for url, figure in links(page.text):
            if url not in counted:
                counted[url] = rows(admin, url)
            if counted[url] != figure:
                wrong[here, url] = figure, counted[url]
        found = {html.unescape(url).partition("#")[0] for url in re.findall(r'<a[^>]* href="(/[^"]*)"', page.text)}
        for url in sorted(found - seen):
            shape = re.sub("=[^&]*", "", url)
            alike[shape] += 1
            if alike[shape] <= MOST_ALIKE:
                waiting.append(url)
        seen |= found
    assert wrong == {}
    assert len(counted) >= 60
    shapes = Counter(re.sub("/campaigns/[^/?]+|=[^&]*", "", url) for url in counted)
    assert {"/fleet/texts?account&device&sim&figure", "/people?run&part&reached"} <= shapes.keys(), shapes
    assert {"/people?run&part", "/people?run&state&reason&device&result_code"} <= shapes.keys(), shapes
    unled = {page: figures for page in LED if (figures := bare(admin.get(page).text))}
    assert unled == {}
    assert {"/", "/needs", "/campaigns", "/fleet", "/replies", "/opt-outs", "/system", "/audit", "/users"} <= seen


def test_what_is_done_for_many_is_what_its_plan_showed(desk: Desk, admin: httpx.Client) -> None:
    """Each figure of a plan leads to its rows; what changed since is refused, and the new plan can be done."""
    here = "/campaigns/held-sale/people"
    plan = admin.get(f"{here}/plan?do=sent&state=held").text
    run_id = int(re.findall(r'name="run" value="(\d+)"', plan)[0])
    found = links(plan)
    assert [figure for _, figure in found] == [6]
    assert {url: figure for url, figure in found if rows(admin, url) != figure} == {}
    everybody = admin.get("/campaigns/spring-sale/people/plan?do=resend").text
    assert len(links(everybody)) >= 2
    assert {url: figure for url, figure in links(everybody) if rows(admin, url) != figure} == {}
    form = {
        "do": "sent",
        "state": "held",
        "run": str(run_id),
        "plan": re.findall(r'name="plan" value="(\w+)"', plan)[0],
    }
    # when somebody decides about one of them meanwhile
    one = desk.world.recipients(run_id)[0].number
    about = to_decide(desk.runtime.store, "held-sale", number=one)
    resolve(desk.runtime.store, ROOT, about, Declared.SENT, now=desk.runtime.clock.now())
    late = admin.post(f"{here}/do", data=form)
    assert (late.status_code, "have changed since you looked" in late.text) == (412, True)
    assert desk.world.states(run_id)[RecipientState.HELD] == 5
    form["plan"] = re.findall(r'name="plan" value="(\w+)"', late.text)[0]
    done = admin.post(f"{here}/do", data=form)
    assert (done.status_code, done.headers["location"]) == (303, f"{here}?run={run_id}")
    assert desk.world.states(run_id)[RecipientState.HELD] == 0
    assert admin.get(f"{here}/plan?do=nonsense").status_code == 422


def test_a_reply_is_decided_and_waits_no_more(desk: Desk, admin: httpx.Client) -> None:
    waiting = read_replies(desk.runtime.store, waiting=True, after=0, limit=10).rows
    first, second = (each.reply for each in waiting[:2])
    for reply, decision in ((first, "opt-out"), (second, "keep")):
        done = admin.post(f"/replies/{reply.id}/review", data={"decision": decision})
        assert (done.status_code, done.headers["location"]) == (303, "/needs")
        again = admin.post(f"/replies/{reply.id}/review", data={"decision": decision})
        assert (again.status_code, f"No reply {reply.id} waits" in again.text) == (404, True)
    listed = {entry.number for _, entry in read_suppressions(desk.runtime.store, None, after=0, limit=1_000).rows}
    assert (first.number in listed, second.number in listed) == (True, False)
    assert admin.post(f"/replies/{first.id}/review", data={"decision": "maybe"}).status_code == 422


def test_a_reply_is_answered_once_and_what_was_written_stays(desk: Desk, admin: httpx.Client) -> None:
    """The second of two people sees who answered and what, keeps their own text, and may answer again then."""
    found = read_replies(desk.runtime.store, Meaning.HELP, after=0, limit=100).rows
    reply = next(each.reply for each in found if each.reply.id > 30)
    page, before = f"/replies/{reply.id}", read_replies(desk.runtime.store, answered=True, after=0, limit=100).rows
    first, second = "We open <b>at nine</b>.", "At ten, they say."
    done = admin.post(f"{page}/answer", data={"text": first, "seen": "0"})
    assert (done.status_code, done.headers["location"]) == (303, page)
    late = admin.post(f"{page}/answer", data={"text": second, "seen": "0"})
    assert (late.status_code, "a-admin answered" in late.text) == (409, True)
    assert ("at nine&lt;/b&gt;" in late.text, f">{second}</textarea>" in late.text, 'value="1"' in late.text) == (
        True,
        True,
        True,
    )
    assert len(read_conversation(desk.runtime.store, reply.id).answers) == 1
    assert admin.post(f"{page}/answer", data={"text": second, "seen": "1"}).status_code == 303
    assert [each.text for each in read_conversation(desk.runtime.store, reply.id).answers] == [first, second]
    assert rows(admin, "/replies?answered=yes") == len(before) + 1
    gone = admin.post("/replies/999999/answer", data={"text": first, "seen": "0"})
    assert (gone.status_code, "There is no reply 999999" in gone.text) == (404, True)


def test_a_number_is_put_on_the_list_and_brought_back(desk: Desk, admin: httpx.Client) -> None:
    def listed() -> dict[str, str]:
        found = read_suppressions(desk.runtime.store, None, after=0, limit=1_000).rows
        return {entry.number: entry.reason for _, entry in found}

    number, before = "+393331239999", set(listed())
    for typed, said in (("333/123-9999", "was added"), ("0039 333 1239999", "was on the list already")):
        done = admin.post("/opt-outs/add", data={"number": typed, "reason": "she called <b>", "kind": ""})
        assert (done.status_code, set(listed()) - before, listed()[number]) == (303, {number}, "she called <b>")
        assert f"+39…99 {said}" in unquote(done.headers["set-cookie"])
    shown = admin.get("/opt-outs?after=100").text
    assert ("she called &lt;b&gt;" in shown, "<b>" in shown) == (True, False)
    done = admin.post("/opt-outs/remove", data={"number": number, "kind": ""})
    assert (done.status_code, number in listed()) == (303, False)
    wrong = admin.post("/opt-outs/add", data={"number": "nobody", "kind": ""})
    assert (wrong.status_code, "write it as +39 333 123 4567" in wrong.text) == (422, True)


def test_replies_are_chosen_by_meaning(admin: httpx.Client) -> None:
    counts = {meaning: rows(admin, f"/replies?meaning={meaning.value}") for meaning in Meaning}
    assert sum(counts.values()) == rows(admin, "/replies")
    assert min(counts.values()) > 0
    assert admin.get("/replies?meaning=nonsense").status_code == 422


def seen_by(desk: Desk, role: Role, path: str) -> str:
    headers = {"Cookie": f"{COOKIE}={desk.sessions[role]}"}
    return httpx.get(desk.url + path, headers=headers, timeout=60).text


def test_a_campaign_is_shown_over_time_with_what_kept_it_back(desk: Desk, admin: httpx.Client) -> None:
    page = admin.get("/campaigns/spring-sale").text
    assert 'aria-label="Over time: handed over 20, sent by a phone' in page
    assert "<title>its rate</title>" in page
    assert re.search(r"<td>its window</td>", page)
    assert "as forecast" in page
    assert "as forecast" in admin.get("/").text


def test_who_did_what_is_for_those_who_may_read_the_audit(desk: Desk, admin: httpx.Client) -> None:
    admin.post("/campaigns/in-scheduled/pause")
    admin.post("/campaigns/in-scheduled/resume")
    assert re.search(r"<td>user: a-admin</td><td>pause", admin.get("/campaigns/in-scheduled").text)
    assert "a-admin" not in seen_by(desk, Role.VIEWER, "/campaigns/in-scheduled")


def test_a_report_is_downloaded_and_masked_for_those_who_see_no_numbers(desk: Desk, admin: httpx.Client) -> None:
    """Nothing needs a command line: what `campaigns export` writes is on the page of a campaign that has ended."""
    page = admin.get("/campaigns/divided").text
    links = re.findall(r'href="(/campaigns/divided/report\?format=\w+)"', page)
    table, whole = (admin.get(f"/campaigns/divided/report?format={form}") for form in ("csv", "html"))
    assert sorted(links) == sorted(f"/campaigns/divided/report?format={form}" for form in ("html", "csv"))
    assert table.headers["content-disposition"] == "attachment; filename*=UTF-8''divided.csv"
    read = list(csv.DictReader(table.text.splitlines()))
    assert len(read) == 10
    assert read[0]["number"].startswith("+39333")
    assert read[0]["text"]
    assert "divided: report" in whole.text
    assert read[6]["number"] in whole.text, "a text that failed is listed with its number"
    for form in ("csv", "html"):
        said = seen_by(desk, Role.VIEWER, f"/campaigns/divided/report?format={form}")
        assert not [row["number"] for row in read if row["number"] in said]
        assert read[0]["text"] not in said
    assert admin.get("/campaigns/divided/report?format=jsonl").status_code == 422
    assert admin.get("/campaigns/no-such/report").status_code == 404
    assert admin.get("/campaigns/divided/report?part=campaign").status_code == 404


def test_the_calendar_adds_up_and_leads_to_its_days(admin: httpx.Client) -> None:
    head, foot = admin.get("/calendar").text.partition("</tfoot>")[0].split("<tfoot>")
    cells, totals = ([int(figure) for figure in re.findall(r'<td class="n">(\d+)</td>', part)] for part in (head, foot))
    assert re.search(r'<a href="/calendar\?day=[^"]+">\w{3} \d+</a>', head)
    assert sum(cells) == sum(totals) > 0


@pytest.mark.parametrize("name", ["day", "from"])
def test_any_day_that_is_asked_for_is_shown_or_refused_with_the_days_there_are(admin: httpx.Client, name: str) -> None:
    ends = ("0001-01-01", "1999-12-31", "2100-01-01", "9999-12-25", "9999-12-31")
    for day in ("2000-01-01", "2024-02-29", "2099-12-31", "20261201", "2026-W49-2"):
        page = admin.get("/calendar", params={name: day})
        assert page.status_code == 200, day
        assert "What is still to be sent" in page.text
        for url in re.findall(r'href="(/calendar[^"]*)" rel=', page.text):
            assert admin.get(html.unescape(url)).status_code == 200, url
    for day in (*ends, "soon", "2023-02-29", "0000-01-01", "10000-01-01", "2026-12-01T09:30", "-1", "٢٠٢٦-12-01", "\0"):
        page = admin.get("/calendar", params={name: day})
        assert page.status_code == 422, day
        said = (
            "has the days from 2000-01-01 to 2099-12-31"
            if day in ends
            else f"{name.capitalize()} in the address is not a date"
        )
        assert said in page.text, day
    empty = admin.get("/calendar", params={name: "2000-01-01"}).text
    assert "Nothing more is planned for th" in empty
    assert "last column" not in empty


def test_without_redis_nobody_is_asked_for_it(admin: httpx.Client) -> None:
    page = re.sub(r"\s+", " ", admin.get("/system").text)
    assert "Redis" not in page
    assert re.search(r"The queue is in this process\. (The oldest|No) text", page)


def test_each_process_and_what_the_doctor_finds_is_shown(desk: Desk, admin: httpx.Client) -> None:
    """Here, by the API and by the command: the same processes, and the same findings."""
    now = desk.runtime.clock.now()
    with desk.runtime.store.write() as session:
        for pid, seen_at in ((11, now), (12, now - timedelta(minutes=3))):
            arrive(session, role="up" if pid == 11 else "dashboard", host="desk-1", pid=pid, version="1.2", now=seen_at)
    page = admin.get("/system").text
    processes = re.findall(r'<th scope="row">(\w+)</th><td>desk-1, (\d+)</td><td>1.2</td>', page)
    assert processes == [("dashboard", "12"), ("up", "11")]
    assert ("runs the clock" in page, page.count("look whether it still runs")) == (True, 1)
    told = admin.get("/v1/processes").json()["items"]
    assert [(each["pid"], each["clock"], each["silent"]) for each in told] == [(12, False, True), (11, True, False)]
    said = [finding.says for finding in check_processes(desk.runtime.store, now)]
    assert [("process 12" in each, "not been heard" in each) for each in said] == [(True, True), (False, False)]
    # when
    done = CliRunner().invoke(app, ["doctor", "--json"])
    found = json.loads(done.stdout)
    shown = admin.get("/system/doctor").text
    # then
    assert re.findall(r"</td><td>([a-z]+)</td>\s*<td>", shown) == [each["area"] for each in found["findings"]]
    assert admin.get("/v1/doctor").json()["problems"] == found["problems"] > 0
    assert f"{found['problems']} problem" in shown


def test_what_was_sent_again_replaces_what_had_failed(admin: httpx.Client) -> None:
    """On the page of a campaign, in the list behind each figure, and where campaigns are compared."""
    page = admin.get("/campaigns/sent-again").text
    headline = re.sub(r"<[^>]+>|\s+", " ", page.partition("Audience:")[0].rpartition("<ul")[2])
    assert re.findall(r"\d+ +\w+", headline) == ["17  delivered", "3  failed", "1  invalid"]
    said = re.sub(r"\s+", " ", re.sub("<[^>]+>", "", page))
    assert "Sent again: 19 people, 17 delivered, 2 failed." in said
    assert re.search(r"First sending \S* ?20 failed", said)
    assert re.search(r"Sent again on \w{3} \d{4}-", said)
    assert re.search(r"\bRun \d", said) is None
    assert {url: figure for url, figure in links(page) if rows(admin, url) != figure} == {}
    (again,) = re.findall(r'<h3><a href="([^"]+)">', page)
    assert "for those whose text had failed" in admin.get(html.unescape(again)).text
    compared = admin.get("/compare?campaign=sent-again&campaign=held-sale").text
    assert "17 = 85.0 %" in compared
    # people are those to whom it sends, on every page
    assert re.search('<th scope="row">.*sent-again</a></th><td class="n">20</td>', compared)
    assert re.search(r'href="/campaigns/sent-again/people\?[^"]*">20</a>', admin.get("/campaigns").text)


def test_campaigns_are_compared_as_wholes(admin: httpx.Client) -> None:
    page = admin.get("/compare?campaign=spring-sale&campaign=held-sale").text
    assert re.findall(r'<th scope="row"><a href="/campaigns/([^"]+)">', page) == ["spring-sale", "held-sale"]
    assert "points" in page
    assert "were not divided" in admin.get("/compare?campaign=spring-sale").text
    assert admin.get("/compare?campaign=spring-sal").status_code == 404
    assert admin.get("/compare?" + "&".join(f"campaign=c{place}" for place in range(9))).status_code == 422


def test_filters_offer_what_there_is_and_keep_what_was_chosen(admin: httpx.Client) -> None:
    page = admin.get("/campaigns/spring-sale/people?device=7").text
    assert re.search(r'<option value="7" selected>Phone 7</option>\s*<option value="1">Phone 1</option>', page)
    assert '<datalist id="reasons"><option value="no such number"></datalist>' in page
    for url, chosen in (("/compare?campaign=held-sale", "held-sale"), ("/audit?campaign=held-sale", "held-sale")):
        page = admin.get(url).text
        assert (f"<option selected>{chosen}</option>" in page, "<option>spring-sale</option>" in page) == (True, True)
    assert '<option value="pause">pause</option>' in admin.get("/audit").text
    assert '<option value="user:a-admin">' in admin.get("/audit").text


def test_what_waits_for_approval_leads_to_its_plan_and_says_why_it_is_held(desk: Desk, admin: httpx.Client) -> None:
    """No page tells people to type a command, and a text that is held because it was sent before says so."""
    link = r'<a href="(/campaigns/in-awaiting-approval/plan\?run=\d+)">waits for approval</a>'
    for page in ("/", "/campaigns", "/campaigns/in-awaiting-approval"):
        text = admin.get(page).text
        assert re.search(link, text), page
        assert "campaigns approve" not in text, page
    found = re.search(r"plan\?run=(\d+)", admin.get("/campaigns/in-awaiting-approval").text)
    assert found is not None
    why = "8 of these people already got exactly this text from spring: was its name changed?"
    desk.world.set_run(int(found[1]), plan_summary={"audience": 8, "counts": {"pending": 8}, "warnings": [why]})
    assert f'<p class="problem">{why}</p>' in admin.get("/campaigns/in-awaiting-approval").text


def test_a_page_that_renews_itself_leads_to_itself_without_script(admin: httpx.Client) -> None:
    for page in ("/", "/fleet", "/campaigns/spring-sale"):
        assert re.search(rf'<noscript>.*<a href="{page}">Show them as they are now</a>', admin.get(page).text), page


def test_the_words_of_a_page_are_explained_on_it(admin: httpx.Client) -> None:
    """Each state that a page shows has its meaning there; all of them are of one table."""
    for path, words in (
        ("/campaigns/spring-sale", ("Running", "Pending", "Delivered", "Handed over", "Segment")),
        ("/campaigns/spring-sale/people", ("In doubt", "Held", "Capped")),
        ("/campaigns/spring-sale/plan", ("Audience", "Pending", "Segment")),
        ("/", ("Settling", "Awaiting approval")),
        ("/campaigns", ("Completed", "Failed (campaign)", "Cancelled (campaign)")),
        ("/replies", ("Review", "Stop")),
        ("/fleet", ("Waiting", "Sent", "Failed", "Stuck", "SIM slot")),
    ):
        page = admin.get(path).text
        assert page.count('<details class="words"') == 1, path
        for word in words:
            assert re.search(rf"<dt>{re.escape(word)}</dt><dd>[^<]+</dd>", page), (path, word)
    for kind in (RecipientState, RunState, Meaning):
        assert len(explained(kind)) == len(kind)
