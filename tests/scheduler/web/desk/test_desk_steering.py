"""What is done to campaigns, held texts and files in the browser: asked without one."""

import html
import re

import httpx
import pytest
import sqlalchemy as sa
from playwright.sync_api import expect

from campaigns.access import Role
from campaigns.lifecycle import BatchState, RecipientState, RunState
from scheduler.web.access import COOKIE
from scheduler.web.desk.app import PLACES
from tests.scheduler.web.desk.conftest import Desk, Opened
from tests.scheduler.web.desk.seeded import sent_in_rehearsal
from tests.store.store_world import NOW, people
from worker.store.runs.inbox_files import forget_file, remember_file
from worker.store.tables import batches


def go(admin: httpx.Client, path: str, **values: object) -> httpx.Response:
    return admin.post(path, data={name: str(value) for name, value in values.items()})


def fields(page: str) -> dict[str, str]:
    """The hidden fields of the first form that has some."""
    form = next(each for each in re.findall(r"<form.*?</form>", page, re.DOTALL) if 'name="run"' in each)
    return dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form))


def test_a_campaign_is_cancelled_once_its_page_has_asked(desk: Desk, admin: httpx.Client) -> None:
    run_id = desk.world.run(people(4, first=7_000), campaign="to-cancel")
    here = "/campaigns/to-cancel"
    assert f'href="{here}/cancel"' in admin.get(here).text
    asked = admin.get(f"{here}/cancel").text
    assert "4 people who wait now get nothing" in asked
    assert desk.world.run_state(run_id) is RunState.RUNNING
    done = go(admin, f"{here}/cancel")
    assert (done.status_code, desk.world.run_state(run_id)) == (303, RunState.CANCELLED)
    assert f'href="{here}/cancel"' not in admin.get(here).text
    late = go(admin, f"{here}/cancel")
    assert (late.status_code, f'<a href="{here}">Go back to the page with the form</a>' in late.text) == (409, True)


def test_the_text_goes_once_more_to_who_did_not_reply(desk: Desk, admin: httpx.Client) -> None:
    run_id = desk.world.run(people(3, first=7_900, state=RecipientState.DELIVERED), campaign="unanswered")
    here = "/campaigns/unanswered"
    assert "/no-reply" not in admin.get(here).text
    sent_in_rehearsal(desk.world, run_id)
    assert f'href="{here}/no-reply?run={run_id}"' in admin.get(here).text
    asked = admin.get(f"{here}/no-reply?run={run_id}").text
    assert "3 people who have the text, and did not reply, get it once more" in asked
    assert go(admin, f"{here}/no-reply", run=run_id).status_code == 303
    page = admin.get(here).text
    assert '<h2 id="steps">Steps</h2>' in page
    assert "Step no-reply:1" in page
    assert "Left out: 3 people because they have a later text" in admin.get(f"{here}/no-reply?run={run_id}").text
    assert "the whole campaign" in admin.get(f"{here}?run={run_id + 1}").text
    assert "no-reply:1" in admin.get(f"{here}/report?format=html").text


def test_limits_are_changed_and_forgotten(desk: Desk, admin: httpx.Client) -> None:
    desk.world.run(people(4, first=7_100), campaign="to-throttle")
    here = "/campaigns/to-throttle"
    assert go(admin, f"{here}/throttle", rate="7/minute", daily="", weight="3").status_code == 303
    assert "7/min" in admin.get(here).text
    wrong = go(admin, f"{here}/throttle", rate="fast", daily="", weight="")
    assert (wrong.status_code, go(admin, f"{here}/throttle").status_code) == (422, 422)
    assert go(admin, f"{here}/throttle", clear="1").status_code == 303
    assert "7/min" not in admin.get(here).text


def test_a_plan_to_approve_counts_those_to_whom_it_sends(desk: Desk, admin: httpx.Client) -> None:
    rows = [*people(3, first=7_600), *people(1, first=7_603, state=RecipientState.INVALID)]
    desk.world.run(rows, campaign="to-approve", state=RunState.AWAITING_APPROVAL)
    found = re.findall(r'<strong>to-approve</strong>: <a href="([^"]*)">(\d+) people', admin.get("/needs").text)
    assert [figure for _, figure in found] == ["3"]
    assert admin.get(html.unescape(found[0][0])).text.split("<tbody>")[1].count("<tr>") == 3


def test_what_is_held_is_decided_from_what_needs_somebody(desk: Desk, admin: httpx.Client) -> None:
    run_id = desk.world.run(people(3, first=7_200, state=RecipientState.HELD), campaign="to-decide", per_request=3)
    desk.world.set_batches(run_id, state=BatchState.HELD, reason="nobody knows")
    needs = admin.get("/needs").text
    assert "<dt>Held</dt><dd>a person has to decide</dd>" in needs
    (sent, _) = re.findall(r'href="([^"]*to-decide/people/plan[^"]*)"', needs)
    plan = admin.get(sent.replace("&amp;", "&")).text
    done = go(admin, "/campaigns/to-decide/people/do", **fields(plan))
    assert (done.status_code, desk.world.states(run_id)) == (303, {RecipientState.ACCEPTED: 3})
    assert "to-decide" not in admin.get("/needs").text


def test_a_contact_list_is_decided_once_its_page_has_asked(desk: Desk, admin: httpx.Client) -> None:
    run_id = desk.world.run(people(1, first=7_300, state=RecipientState.HELD), campaign="to-a-list")
    (batch_id,) = desk.world.batches(run_id)
    with desk.world.store.write() as session:
        session.execute(sa.update(batches).where(batches.c.id == batch_id).values(list_id=9, state=BatchState.HELD))
    (ask,) = re.findall(r'href="(/campaigns/to-a-list/resolve[^"]*)"', admin.get("/needs").text)
    asked = admin.get(ask).text
    assert "1 person and 1 contact list" in asked
    sent = fields(asked)
    late = go(admin, "/campaigns/to-a-list/resolve", **(sent | {"lists": "2"}))
    assert (late.status_code, desk.world.batch_state(batch_id)) == (412, BatchState.HELD)
    foreign = go(admin, "/campaigns/to-decide/resolve", **sent)
    assert foreign.status_code == 404
    assert go(admin, "/campaigns/to-a-list/resolve", **sent).status_code == 303
    assert desk.world.batch_state(batch_id) is BatchState.ACCEPTED


def test_whoever_is_no_longer_signed_in_is_told_so_in_words_for_people(desk: Desk) -> None:
    form = httpx.post(f"{desk.url}/campaigns/spring-sale/pause", headers={"Sec-Fetch-Site": "same-origin"}, timeout=60)
    assert (form.status_code, "Nothing was done, because you are not signed in" in form.text) == (401, True)
    assert "token" not in form.text


def test_a_broken_file_is_shown_until_it_is_mended(desk: Desk, admin: httpx.Client) -> None:
    said = "broken.yaml cannot be used.\n\nline 3: mesage is <unknown>"
    with desk.world.store.write() as session:
        remember_file(session, "/in/broken.yaml", fingerprint="f", run_id=None, problem=said, now=NOW)
    shown = admin.get("/needs").text
    assert ("mesage is &lt;unknown&gt;" in shown, "nothing of it is sent" in shown, "/in/" in shown) == (
        True,
        True,
        False,
    )
    assert '<a href="/needs#broken">1 file of the inbox</a>' in admin.get("/").text
    (told,) = admin.get("/v1/broken-files").json()["items"]
    assert (told["name"], told["problem"], told["goes_on"]) == ("broken.yaml", said, False)
    viewer = {"Cookie": f"{COOKIE}={desk.sessions[Role.VIEWER]}"}
    (masked,) = httpx.get(f"{desk.url}/v1/broken-files", headers=viewer, timeout=60).json()["items"]
    assert masked["problem"] == "broken.yaml cannot be used."
    with desk.world.store.write() as session:
        forget_file(session, "/in/broken.yaml")
    assert "broken.yaml" not in admin.get("/needs").text
    assert "/needs#broken" not in admin.get("/").text


def test_a_person_is_opted_out_and_brought_back_from_their_page(desk: Desk, admin: httpx.Client) -> None:
    number = "+393330000020"
    assert 'action="/opt-outs/add"' in go(admin, "/person", number=number).text
    assert go(admin, "/opt-outs/add", number=number, kind="").status_code == 303
    assert 'action="/opt-outs/remove"' in go(admin, "/person", number=number).text
    assert go(admin, "/opt-outs/remove", number=number, kind="").status_code == 303
    assert 'action="/opt-outs/remove"' not in go(admin, "/person", number=number).text


def test_a_person_is_erased_from_their_page_once_it_has_asked(desk: Desk, admin: httpx.Client) -> None:
    number = "+393330000021"
    assert 'action="/person/erase"' in go(admin, "/person", number=number).text
    assert '<button class="danger">Erase for good</button>' in go(admin, "/person/erase", number=number).text
    refused = go(admin, "/person/erase", number=number, sure="1")  # this desk has no key
    assert (refused.status_code, "campaigns erase --make-key" in refused.text) == (409, True)


def test_what_cannot_be_opted_out_keeps_what_was_filled_in(admin: httpx.Client) -> None:
    wrong = go(admin, "/opt-outs/add", number='12"<b>', kind="marketing", reason="by phone")
    assert (wrong.status_code, '<p class="problem" role="alert">' in wrong.text) == (422, True)
    assert 'value="12&#34;&lt;b&gt;"' in wrong.text
    assert 'value="by phone"' in wrong.text
    assert '<option value="marketing" selected>' in wrong.text
    other = go(admin, "/opt-outs/remove", number="12", kind="")
    assert (other.status_code, 'value="12"' in other.text, "<h1>Opt-outs</h1>" in other.text) == (422, False, True)


def test_every_form_that_is_refused_leads_back_to_its_page() -> None:
    acts = [place for place in PLACES if place.act]
    assert len(acts) > 15
    assert [place.path for place in acts if not place.on] == []
    seen = {place.path for place in PLACES if place.view}
    assert {place.on for place in acts} <= seen, "a page, and not the address of a form"


@pytest.mark.parametrize("path", ["/campaigns/spring-sale", "/campaigns/held-sale", "/needs", "/replies/5"])
def test_a_viewer_is_offered_nothing_and_refused_everything(desk: Desk, path: str) -> None:
    headers = {"Cookie": f"{COOKIE}={desk.sessions[Role.VIEWER]}", "Sec-Fetch-Site": "same-origin"}
    with httpx.Client(base_url=desk.url, headers=headers, timeout=60) as viewer:
        page = viewer.get(path).text
        main = page.split("<main")[1].split("</main>")[0]
        assert ("<form" in main, "people/plan" in main, "/cancel" in main) == (False, False, False)
        for form in ("people/do", "cancel", "resume", "throttle", "resolve", "pause"):
            assert viewer.post(f"/campaigns/spring-sale/{form}", data={"run": "1"}).status_code == 403
        assert viewer.post("/replies/5/answer", data={"text": "Hi", "seen": "0"}).status_code == 403


def test_a_filter_leads_to_its_plan_and_a_reply_to_its_answer_without_script(desk: Desk, opened: Opened) -> None:
    run_id = desk.world.run(people(3, first=7_400, state=RecipientState.HELD), campaign="no-script", per_request=3)
    desk.world.set_batches(run_id, state=BatchState.HELD)
    page = opened(java_script_enabled=False).new_page()
    page.goto(desk.url + "/campaigns/no-script/people?state=held")
    page.get_by_label("For everybody who matches").select_option("sent")
    page.get_by_role("button", name="See what it would do").click()
    expect(page.locator("main")).to_contain_text("3 people would count as sent")
    page.get_by_role("button", name="Held texts were sent: 3 people").click()
    expect(page.get_by_role("status")).to_contain_text("done for 3 people")
    page.goto(desk.url + "/replies?answered=no&meaning=reply")
    page.locator("tbody a").first.click()
    page.get_by_label("Answer").fill("We open at nine.")
    page.get_by_role("button", name="Send the answer").click()
    expect(page.get_by_role("status")).to_contain_text("The answer is on its way: 1 segment")
    expect(page.locator("main")).to_contain_text("a-admin answered this reply")
