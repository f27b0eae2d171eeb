"""The people of a run, what can be done for many of them at once, and everything about one."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from campaigns.access import Scope
from campaigns.counting import amount
from campaigns.lifecycle import RecipientState
from campaigns.optout import Meaning
from campaigns.protocol.bulk_actions import SENTENCES, WHY, BulkAction, Cause
from scheduler.actions.bulk import BulkPlan, BulkSelection, OtherPeople, ask_first, do_bulk, known_reply, plan_bulk
from scheduler.actions.forgetting.erasing import erase as erase_people
from scheduler.actions.forgetting.shown import erasing_lines
from scheduler.actions.numbers import normalised
from scheduler.actions.reading.people import read_person
from scheduler.actions.reading.recipients import NONE, NOT_CONTROL, known_figure, read_choices, read_recipients
from scheduler.actions.refusals import Refusal, Refused
from scheduler.report.story import chapter_lines
from scheduler.web.api.problems import STATUSES
from scheduler.web.desk.pages import DeskPage, DeskPlace, Go, Visit, require
from scheduler.web.desk.values import after_of, filters_of, number_of, one_of

ROWS: Final = 100

FILTERS: Final = ("state", "reason", "device", "variant", "batch_id", "reply", "result_code", "part", "reached")

FIGURES: Final[Mapping[str, str]] = {
    "people": "were to get a text",
    "sent": "had their text sent by a phone",
    "delivered": "had their text delivered",
    "replied": "wrote back",
    "opted_out": "opted out",
}
"""What is true of the people behind a figure by which campaigns are compared."""

BUTTONS: Final[Mapping[BulkAction, tuple[str, Scope]]] = {
    BulkAction.RESEND: ("Send failed texts again", Scope.CONTROL),
    BulkAction.SENT: ("Held texts were sent", Scope.CONTROL),
    BulkAction.NOT_SENT: ("Held texts were not sent", Scope.CONTROL),
    BulkAction.OPT_OUT: ("Opt these people out", Scope.SUPPRESS),
}
"""What the page offers, and the scope that it needs."""


def people(asked: Visit) -> DeskPage:
    """The recipients of a run, by state, reason, phone, variant and reply; or those whom a plan counted."""
    name, number = asked.path["name"], number_of(asked, "run")
    filters = _filters(asked)
    action, cause = one_of(asked, "do", BulkAction), one_of(asked, "cause", Cause)
    whole = asked.query.get("whole", "")
    page = read_recipients(
        asked.runtime.store,
        name,
        number,
        filters,
        among=(action, cause) if action and cause else None,
        whole=bool(whole),
        after=after_of(asked),
        limit=ROWS,
    )
    choices = read_choices(asked.runtime.store, name, number)
    offered = {action.value: words for action, (words, scope) in BUTTONS.items() if asked.may(scope)}
    return DeskPage(
        "people.html",
        {
            "campaign": name,
            "rehearsed": choices.run.rehearsal,
            "choices": choices,
            "run": number,
            "whole": {"whole": "1"} if whole else {},
            "rows": page.rows,
            "next": page.next,
            "filters": filters,
            "further": _further(filters),
            "states": list(RecipientState),
            "meanings": list(Meaning),
            "offered": offered,
            "among": {"do": action.value, "cause": cause.value} if action and cause else {},
            "why": WHY.get(cause) if cause else None,
        },
    )


def _filters(asked: Visit) -> dict[str, Any]:
    filters: dict[str, Any] = filters_of(asked, FILTERS)
    if "reply" in filters:
        filters["reply"] = known_reply(filters["reply"])
    if "reached" in filters:
        filters["reached"] = known_figure(filters["reached"])
    return filters


def _further(filters: Mapping[str, Any]) -> list[str]:
    """Return in words the filters that the form does not have."""
    found = [FIGURES[filters["reached"]]] if "reached" in filters else []
    if "part" in filters and filters["part"] != NOT_CONTROL:
        kind, _, variant = filters["part"].partition(".")
        found.append(
            f"were given variant {variant}" if kind == "text" and variant else f"are in {PARTS.get(kind, kind)}"
        )
    if "result_code" in filters:
        code = filters["result_code"]
        found.append("have a text without a result code" if code == NONE else f"have a text with result code {code}")
    if "batch_id" in filters:
        found.append(f"are in request {filters['batch_id']}")
    return found


PARTS: Final[Mapping[str, str]] = {"text": "the group that was sent to", "control": "the control group"}


def _asked_for(asked: Visit) -> tuple[BulkAction, BulkSelection]:
    """Return what is to be done, and for whom. Raises `Refused` if the reader may not."""
    action = one_of(asked, "do", BulkAction)
    if action is None:
        raise Refused(Refusal.INVALID, "choose what to do for these people; open the page again")
    require(asked.who, BUTTONS[action][1])
    return action, BulkSelection(asked.path["name"], number_of(asked, "run"), _filters(asked))


def plan(asked: Visit) -> DeskPage:
    """For how many people it would be done, and for how many not, and why."""
    action, chosen = _asked_for(asked)
    return _shown(plan_bulk(asked.runtime.store, action, chosen), chosen)


def _shown(planned: BulkPlan, chosen: BulkSelection, refused: Refused | None = None) -> DeskPage:
    values = {
        "plan": planned,
        "rehearsed": planned.run.rehearsal,
        "filters": chosen.filters,
        "does": SENTENCES[planned.action],
        "button": BUTTONS[planned.action][0],
        "why": WHY,
        "refused": refused,
    }
    return DeskPage("people_plan.html", values, STATUSES[refused.code] if refused else 200)


def do(asked: Visit) -> DeskPage | Go:
    """Do it for exactly the people whom the page counted; if they are others now, nothing is done."""
    action, chosen = _asked_for(replace(asked, query=asked.form))
    runtime = asked.runtime
    try:
        ask_first(runtime, action, chosen)
        done = do_bulk(runtime, asked.who, action, chosen, asked.value("plan"), now=asked.now)
    except OtherPeople as refused:
        return _shown(refused.plan, chosen, refused)
    what = f"{BUTTONS[action][0].lower()}: done for {amount(done.people, 'person', 'people')}"
    if action is BulkAction.RESEND and done.run_id is None:
        what = "nobody is left to send to"
    return Go(f"/campaigns/{chosen.campaign}/people?run={done.run_id or chosen.run or ''}", what)


def person(asked: Visit) -> DeskPage:
    """Everything that is known about one number. It is sent in a form, so that no address or log has it."""
    number = asked.value("number")
    known = read_person(asked.runtime.store, number, asked.runtime.settings.region, now=asked.now)
    told = [[line.strip() for line in chapter_lines(chapter, asked.zone)][1:] for chapter in known.story.chapters]
    return DeskPage("person.html", {"known": known, "told": told})


def erase(asked: Visit) -> DeskPage:
    """Erase a person, once somebody has confirmed it. It has no page of its own: no address or log has the number."""
    number = normalised(asked.value("number"), asked.runtime.settings.region)
    if not asked.form.get("sure"):
        return DeskPage("erase.html", {"number": number, "lines": ()})
    store, inbox = asked.runtime.store, asked.runtime.settings.inbox
    done = erase_people(store, asked.who, [[number]], inbox=inbox, now=asked.now)
    return DeskPage("erase.html", {"number": number, "lines": tuple(erasing_lines(done))})


PLACES: Final = (
    DeskPlace("/campaigns/{name}/people", people),
    DeskPlace("/campaigns/{name}/people/plan", plan, Scope.CONTROL),
    DeskPlace("/campaigns/{name}/people/do", act=do, act_scope=Scope.CONTROL, on="/campaigns/{name}/people"),
    DeskPlace("/person", act=person, act_scope=Scope.READ_NUMBERS, on="/"),
    DeskPlace("/person/erase", act=erase, act_scope=Scope.ADMIN, on="/"),
)
