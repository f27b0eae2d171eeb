"""What needs somebody, phones, replies, opt-outs: lists, a page at a time, and what can be done about a row."""

from collections.abc import Sequence
from typing import Final

from campaigns.access import Scope
from campaigns.definition import Kind
from campaigns.phone_numbers.masking import mask
from scheduler.actions.numbers import normalised
from scheduler.actions.reading.lists import read_all_held, read_broken_files, read_suppressions
from scheduler.actions.reading.phones import read_phone_texts, read_phones
from scheduler.actions.reading.replies import read_replies
from scheduler.actions.reading.runs import read_at_work
from scheduler.actions.refusals import Refusal, Refused
from scheduler.actions.suppressing.kinds import known_kind
from scheduler.actions.suppressing.opt_outs import suppress, unsuppress
from scheduler.actions.throttling import place_of, read_limits
from scheduler.report.limits import Limit
from scheduler.web.api.problems import CallProblem
from scheduler.web.desk.pages import DeskPage, DeskPlace, Go, Visit
from scheduler.web.desk.values import after_of, number_of

ROWS: Final = 100

LONGEST_REASON: Final = 200

OPT_OUTS: Final = "/opt-outs"


def needs(asked: Visit) -> DeskPage:
    """What waits for a person: approvals, replies that may mean stop, and texts that are held."""
    store = asked.runtime.store
    return DeskPage(
        "needs.html",
        {
            "approvals": [seen for seen in read_at_work(store, now=asked.now) if seen.awaits],
            "replies": read_replies(store, waiting=True, after=0, limit=ROWS),
            "held": read_all_held(store, after=0, limit=ROWS),
            "broken": read_broken_files(store, limit=ROWS),
        },
    )


def fleet(asked: Visit) -> DeskPage:
    """The phones: what waits there, what they sent, which are stuck, and all limits in force."""
    runtime = asked.runtime
    phones = read_phones(runtime.store, runtime.settings, now=asked.now)
    return DeskPage("fleet.html", {"phones": phones, "limits": _limits(asked)})


def phone_texts(asked: Visit) -> DeskPage:
    """The texts behind a figure of a phone, of all campaigns, the newest first."""
    account, device, sim = (number_of(asked, name) for name in ("account", "device", "sim"))
    if account is None or device is None:
        raise CallProblem(Refusal.INVALID, "the address names no phone; open Fleet, and follow one of its figures")
    figure = asked.query.get("figure", "")
    page = read_phone_texts(asked.runtime.store, account, device, sim, figure, after=after_of(asked), limit=ROWS)
    phone = {"account": account, "device": device, "sim": sim, "figure": figure}
    return DeskPage("phone_texts.html", {"phone": phone, "rows": page.rows, "next": page.next})


def _limits(asked: Visit) -> Sequence[Limit]:
    runtime = asked.runtime
    try:
        return read_limits(runtime.store, runtime.settings, place_of(runtime.store, runtime.settings), now=asked.now)
    except Refused as refused:
        if refused.code is not Refusal.UNKNOWN_ACCOUNT:
            raise
        return ()  # nothing was sent yet, or by several gateways and none of them is set


def suppressions(asked: Visit) -> DeskPage:
    """The numbers that get nothing, and why."""
    page = read_suppressions(asked.runtime.store, None, after=after_of(asked), limit=ROWS)
    return DeskPage("opt_outs.html", {"rows": page.rows, "next": page.next, "kinds": list(Kind)})


def add(asked: Visit) -> Go:
    """Send nothing more to a number, or nothing of a kind."""
    number = normalised(asked.value("number"), asked.runtime.settings.region)
    kind, reason = asked.form.get("kind") or None, asked.form.get("reason", "")[:LONGEST_REASON]
    done = suppress(asked.runtime.store, asked.who, [number], kind=kind, reason=reason, now=asked.now)
    # Which number it was read as: what was typed may be of another country than the one that is set.
    return Go(OPT_OUTS, f"{mask(number)} {'was added' if done.changed else 'was on the list already'}")


def bring_back(asked: Visit) -> Go:
    """Let a number get texts again, if its owner asked for it: those of the entry's kind."""
    number = normalised(asked.value("number"), asked.runtime.settings.region)
    kind = known_kind(asked.value("kind"))
    done = unsuppress(asked.runtime.store, asked.who, [number], kind=kind, now=asked.now)
    return Go(OPT_OUTS, f"{mask(number)} {'gets texts again' if done.changed else 'was not on the list'}")


PLACES: Final = (
    DeskPlace("/needs", needs),
    DeskPlace("/fleet", fleet),
    DeskPlace("/fleet/texts", phone_texts),
    DeskPlace(OPT_OUTS, suppressions),
    DeskPlace("/opt-outs/add", act=add, act_scope=Scope.SUPPRESS, on=OPT_OUTS, again=suppressions),
    DeskPlace("/opt-outs/remove", act=bring_back, act_scope=Scope.SUPPRESS, on=OPT_OUTS, again=suppressions),
)
