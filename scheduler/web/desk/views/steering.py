"""What is done to a campaign. What cannot be undone has a page of its own, which says what it would do."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from campaigns.access import Scope
from campaigns.counting import amount
from campaigns.lifecycle import RecipientState
from campaigns.protocol.bulk_actions import WHY
from campaigns.protocol.declarations import Declared
from scheduler.actions import approving, control, resending, resolving, throttling
from scheduler.actions.reading.runs import read_runs
from scheduler.actions.refusals import Refusal, Refused
from scheduler.report.summary import RunProgress
from scheduler.web.desk.pages import DeskPage, DeskPlace, Go, Visit
from scheduler.web.desk.values import form_number, number_of


@dataclass(frozen=True, slots=True)
class Choice:
    """A button of a page that asks: the values that it sends, and what follows."""

    label: str
    follows: str
    values: Mapping[str, object]
    is_final: bool = False


def _asks(seen: RunProgress, title: str, says: str, action: str, choices: list[Choice], command: str) -> DeskPage:
    run = seen.run
    here = {"campaign": run.campaign, "rehearsed": run.rehearsal, "title": title, "says": says, "action": action}
    return DeskPage("confirm.html", {**here, "choices": choices, "command": f"campaigns {command}"})


def approve(asked: Visit) -> Go:
    """Approve exactly the plan that the page showed."""
    name, settings = asked.path["name"], asked.runtime.settings
    done = approving.approve(
        asked.runtime.store,
        asked.who,
        name,
        asked.value("plan"),
        inbox=settings.inbox,
        four_eyes=settings.four_eyes,
        now=asked.now,
    )
    return Go(f"/campaigns/{name}", f"{name} is approved, and is sent as planned: plan {done.plan[:12]}")


def pause(asked: Visit) -> Go:
    """Send nothing more until it is resumed."""
    name = asked.path["name"]
    control.pause(asked.runtime.store, asked.who, name, now=asked.now)
    return Go(f"/campaigns/{name}", f"{name} is paused")


def resume(asked: Visit) -> Go:
    """Go on; if the page asked about the account, let that go on as well."""
    name = asked.path["name"]
    account, new_gateway = "account" in asked.form, "new_gateway" in asked.form
    done = control.resume(asked.runtime.store, asked.who, name, account=account, new_gateway=new_gateway, now=asked.now)
    waits = f"; its account is: {done.account_reason}" if done.account_reason else ""
    return Go(f"/campaigns/{name}", f"{name} goes on{waits}")


def ask_resume(asked: Visit) -> DeskPage:
    """Why the account sends nothing, and how it goes on."""
    name = asked.path["name"]
    seen = read_runs(asked.runtime.store, name, now=asked.now)[0]
    reason = seen.outlook.account_reason
    if not reason:
        raise Refused(Refusal.WRONG_STATE, f"the account of {name} sends: there is nothing to resume")
    choices = [
        Choice("Resume the account", "Only after somebody has looked into why it stopped.", {"account": 1}),
        Choice(
            "The gateway was set up anew",
            "Its IDs start again. Texts in doubt are held, because the old gateway can no longer be asked.",
            {"new_gateway": 1},
            is_final=True,
        ),
    ]
    says = f"Nothing is sent through this account: {reason}."
    return _asks(seen, "Resume the account", says, "resume", choices, f"resume {name} --account")


def cancel(asked: Visit) -> Go:
    """Send nothing more, for good."""
    name = asked.path["name"]
    done = control.cancel(asked.runtime.store, asked.who, name, now=asked.now)
    return Go(f"/campaigns/{name}", f"{name} is cancelled: {amount(done.unsent, 'text')} will not be sent")


def ask_cancel(asked: Visit) -> DeskPage:
    """Who would get nothing."""
    name = asked.path["name"]
    seen = read_runs(asked.runtime.store, name, now=asked.now)[0]
    unsent = amount(seen.books.by_state.get(RecipientState.PENDING, 0), "person", "people")
    follows = f"{unsent} who wait now get nothing. What the gateway has already is still sent. This cannot be undone."
    choices = [Choice("Cancel for good", follows, {}, is_final=True)]
    return _asks(
        seen, f"Cancel {name}", "To stop it for a while, pause it instead.", "cancel", choices, f"cancel {name}"
    )


def ask_resolve(asked: Visit) -> DeskPage:
    """Whether everything of a run that is held was sent."""
    name = asked.path["name"]
    about = resolving.to_decide(asked.runtime.store, name, number_of(asked, "run"))
    what = " and ".join(
        filter(
            None,
            (
                amount(about.people, "person", "people") if about.people else "",
                amount(about.lists, "contact list") if about.lists else "",
            ),
        )
    )
    held = {"run": about.run_id, "people": about.people, "lists": about.lists}
    choices = [
        Choice("They were sent", f"{what}: nothing more is sent to them.", {**held, "as": Declared.SENT.value}, True),
        Choice(
            "They were not sent",
            f"{what}: they are sent to again. Anyone who did get the text gets it twice.",
            {**held, "as": Declared.NOT_SENT.value},
            True,
        ),
    ]
    says = "Look for these texts in the list of messages of the gateway, or of the phone."
    command = f"resolve {name} --run {about.run_id} --as sent|not-sent"
    seen = read_runs(asked.runtime.store, name, about.run_id, now=asked.now)[0]
    return _asks(seen, f"Held texts of {name}", says, "resolve", choices, command)


def resolve(asked: Visit) -> Go:
    """Record whether they were sent, if as many are held as the page showed."""
    name, declared = asked.path["name"], asked.value("as")
    if declared not in set(Declared):
        raise Refused(Refusal.INVALID, "say whether they were sent or not; open the page again")
    run, people, lists = (form_number(asked, field) for field in ("run", "people", "lists"))
    about = replace(resolving.to_decide(asked.runtime.store, name, run), people=people, lists=lists)
    done = resolving.resolve(asked.runtime.store, asked.who, about, Declared(declared), exactly=True, now=asked.now)
    return Go("/needs", f"{amount(done.people + done.lists, 'decision')} recorded")


def ask_no_reply(asked: Visit) -> DeskPage:
    """To whom the text would be sent once more, and who of the others is left out."""
    name, runtime = asked.path["name"], asked.runtime
    found = resending.unanswered(runtime.store, name, number_of(asked, "run"), rehearsal=runtime.rehearsal)
    people = amount(found.people, "person", "people")
    left_out = [f"{amount(count, 'person', 'people')} because {WHY[cause]}" for cause, count in found.left_out.items()]
    says = f"Left out: {'; '.join(left_out)}." if left_out else "Nobody is left out."
    follows = f"{people} who have the text, and did not reply, get it once more, within its sending hours and limits."
    seen = read_runs(runtime.store, name, found.root.id, now=asked.now)[0]
    choices = [Choice("Send it again", follows, {"run": found.root.id}, is_final=True)] if found.people else []
    title = f"Send {name} again to those who did not reply"
    return _asks(seen, title, says, "no-reply", choices, f"resend {name} --only no-reply")


def no_reply(asked: Visit) -> Go:
    """Send the text once more to those who did not reply by now."""
    name, runtime = asked.path["name"], asked.runtime
    found = resending.unanswered(runtime.store, name, form_number(asked, "run"), rehearsal=runtime.rehearsal)
    run_id = resending.resend_unanswered(runtime, asked.who, found.root)
    people = amount(found.people if run_id else 0, "person", "people")
    return Go(f"/campaigns/{name}", f"the text of {name} is sent again to {people}")


def throttle(asked: Visit) -> Go:
    """Change the limits of the campaign while it is sent."""
    name, runtime = asked.path["name"], asked.runtime
    given = {field: asked.form.get(field, "").strip() or None for field in ("rate", "daily")}
    weight = form_number(asked, "weight") if asked.form.get("weight", "").strip() else None
    values, clear = throttling.new_limits(given["rate"], given["daily"], weight), "clear" in asked.form
    if bool(values) == clear:
        raise Refused(Refusal.INVALID, "say what to change: a rate, a daily budget or a weight, or else clear them")
    place = throttling.place_of(runtime.store, runtime.settings, campaign=name)
    throttling.change_limits(runtime.store, asked.who, place, values, clear=clear, now=asked.now)
    return Go(f"/campaigns/{name}", f"the limits of {name} {'set by hand are gone' if clear else 'are changed'}")


RUN: Final = "/campaigns/{name}"

PLACES: Final = (
    DeskPlace("/campaigns/{name}/approve", act=approve, act_scope=Scope.APPROVE, on=RUN + "/plan"),
    DeskPlace("/campaigns/{name}/pause", act=pause, act_scope=Scope.CONTROL, on=RUN),
    DeskPlace("/campaigns/{name}/resume", ask_resume, Scope.CONTROL, resume, Scope.CONTROL, on=RUN),
    DeskPlace("/campaigns/{name}/cancel", ask_cancel, Scope.CONTROL, cancel, Scope.CONTROL, on=RUN),
    DeskPlace("/campaigns/{name}/resolve", ask_resolve, Scope.CONTROL, resolve, Scope.CONTROL, on=RUN),
    DeskPlace("/campaigns/{name}/no-reply", ask_no_reply, Scope.CONTROL, no_reply, Scope.CONTROL, on=RUN),
    DeskPlace("/campaigns/{name}/throttle", act=throttle, act_scope=Scope.CONTROL, on=RUN),
)
