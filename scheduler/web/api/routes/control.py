"""What people and programs do to campaigns that are under way. Each answer is what the command prints as JSON."""

import re
from typing import Annotated, Final, Literal

from fastapi import Header, Response
from pydantic import BaseModel, ConfigDict, Field

from campaigns.protocol.bulk_actions import ResendOnly
from campaigns.protocol.declarations import Declared
from scheduler.actions import approving, control, resending, resolving, throttling
from scheduler.actions.acting import Actor
from scheduler.actions.answers import (
    approved_json,
    cancelled_json,
    paused_json,
    resend_json,
    resolved_json,
    resumed_json,
)
from scheduler.actions.numbers import normalised
from scheduler.actions.refusals import Refusal, Refused
from scheduler.actions.shapes.done import Approval, Cancelled, Paused, ResentShape, ResolvedShape, ResumedShape
from scheduler.actions.shapes.seen import Items
from scheduler.report.shown.shapes import LimitShape
from scheduler.web.api.guard import guarded_router
from scheduler.web.api.idempotency import MadeOnce, Once
from scheduler.web.api.parameters import MOST_ID, Approver, Behind, CampaignName, Controller
from scheduler.web.api.problems import PLAIN, CallProblem, Fault, answered, declared
from worker.runtime import Runtime

router = guarded_router()

STATE: Final = declared(404, 409)

Word = Annotated[str, Field(max_length=100, pattern=PLAIN)]
Run = Annotated[int | None, Field(ge=1, le=MOST_ID, description="The number of a run; default: the latest that began.")]


class Asked(BaseModel):
    """What a call asks for: a member that nobody knows is refused, as it may be a mistake in the name of one."""

    model_config = ConfigDict(extra="forbid")


class Resume(Asked):
    """As the options of `campaigns resume`."""

    account: bool = Field(default=False, description="Also its account, after an alarm that somebody has looked into.")
    new_gateway: bool = Field(default=False, description="Also its account: the gateway was set up anew.")


class CampaignLimits(Asked):
    """As the options of `campaigns throttle`."""

    rate: Word | None = Field(default=None, description="Segments per second, minute or hour: `30/minute`; `none`.")
    daily: Annotated[int, Field(ge=1)] | Literal["none"] | None = Field(default=None, description="Segments a day.")
    weight: Annotated[int, Field(ge=1, le=MOST_ID)] | None = Field(default=None, description="Of a campaign, 1 to 100.")
    clear: bool = Field(default=False, description="Remove what was set by hand, and what a phone's reports lowered.")


class LimitsAnywhere(CampaignLimits):
    """Limits of the account, or of a device or SIM."""

    account: bool = Field(default=False, description="The limits over all campaigns.")
    device: Word | None = Field(default=None, description="As in devices.use: `1`, `2|0`, `primary`.")


class Resend(Asked):
    """As the options of `campaigns resend`."""

    only: ResendOnly = Field(description="Whom to send to again: those whose text failed, or who did not reply.")
    run: Run = None
    dry_run: bool = Field(default=False, description="Say how many and why, and send nothing.")


class Resolve(Asked):
    """As the options of `campaigns resolve`."""

    declared: Declared = Field(alias="as", description="What was found: the texts were sent, or they were not.")
    number: Annotated[str, Field(max_length=32, pattern=PLAIN)] | None = Field(
        default=None, description="Decide about this person only."
    )
    run: Run = None


@router.post("/campaigns/{name}/approve", responses=answered(Approval) | declared(404, 409, 412, 428))
def approve(
    name: CampaignName,
    runtime: Behind,
    actor: Approver,
    once: MadeOnce,
    if_match: Annotated[
        str, Header(max_length=200, description='The whole hash of the plan, in quotation marks: `"4f1c..."`.')
    ] = "",
) -> Response:
    """Approve exactly this plan of a campaign. As `campaigns approve --json`; 412 if anything has changed."""
    plan = _etag(if_match)
    inbox, four_eyes, now = runtime.settings.inbox, runtime.settings.four_eyes, runtime.clock.now()

    def act() -> Approval:
        done = approving.approve(runtime.store, actor, name, plan, inbox=inbox, four_eyes=four_eyes, now=now)
        return approved_json(name, done)

    return once(act)


def _etag(header: str) -> str:
    if not header:
        sentence = 'say which plan you approve: send its hash as `If-Match: "HASH"`'
        raise CallProblem(Fault.NO_CONDITION, sentence)
    found = re.fullmatch(r'"([0-9A-Fa-f]{64})"', header.strip())
    if found is None:
        sentence = 'If-Match must be the whole hash of one plan, 64 digits in quotation marks: `If-Match: "HASH"`'
        raise Refused(Refusal.INVALID, sentence, field="If-Match")
    return found[1]


@router.post("/campaigns/{name}/pause", responses=answered(Paused) | STATE)
def pause(name: CampaignName, runtime: Behind, actor: Controller, once: MadeOnce) -> Response:
    """Start no new request of a campaign until it is resumed. As `campaigns pause --json`."""
    now = runtime.clock.now()
    return once(lambda: paused_json(name, control.pause(runtime.store, actor, name, now=now), now))


@router.post("/campaigns/{name}/resume", responses=answered(ResumedShape) | STATE)
def resume(
    name: CampaignName, runtime: Behind, actor: Controller, once: MadeOnce, asked: Resume | None = None
) -> Response:
    """Resume a paused campaign where it left off. As `campaigns resume --json`."""
    options = (asked or Resume()).model_dump()
    now = runtime.clock.now()
    return once(lambda: resumed_json(name, control.resume(runtime.store, actor, name, **options, now=now)))


@router.post("/campaigns/{name}/cancel", responses=answered(Cancelled) | STATE)
def cancel(name: CampaignName, runtime: Behind, actor: Controller, once: MadeOnce) -> Response:
    """Never send what a campaign has not sent yet; this cannot be undone. As `campaigns cancel --json`."""
    now = runtime.clock.now()
    return once(lambda: cancelled_json(name, control.cancel(runtime.store, actor, name, now=now), now))


@router.post("/campaigns/{name}/throttle", responses=answered(Items[LimitShape]) | STATE)
def throttle(name: CampaignName, runtime: Behind, actor: Controller, once: MadeOnce, asked: CampaignLimits) -> Response:
    """Change the limits of a campaign while it is sent. The answer has all limits of it that are in force then."""
    return _throttled(runtime, actor, once, asked, campaign=name)


@router.post("/limits", responses=answered(Items[LimitShape]) | STATE)
def throttle_any(runtime: Behind, actor: Controller, once: MadeOnce, asked: LimitsAnywhere) -> Response:
    """Change the limits of the account (`account: true`), or of a device or SIM. As `campaigns throttle`."""
    if asked.account == (asked.device is not None):
        raise Refused(Refusal.INVALID, "say whose limits are to change: account, or device, and not both")
    return _throttled(runtime, actor, once, asked, device=asked.device, account=asked.account)


def _throttled(
    runtime: Runtime,
    actor: Actor,
    once: Once,
    asked: CampaignLimits,
    *,
    campaign: str | None = None,
    device: str | None = None,
    account: bool = False,
) -> Response:
    daily = None if asked.daily is None else str(asked.daily)
    values = throttling.new_limits(asked.rate, daily, asked.weight)
    if bool(values) == asked.clear:
        raise Refused(Refusal.INVALID, "say what to change: rate, daily or weight, or else clear")
    throttling.refuse_unfit(values, campaign=campaign, device=device)
    store, settings = runtime.store, runtime.settings
    place = throttling.place_of(store, settings, campaign=campaign, device=device, account=account)
    now = runtime.clock.now()

    def act() -> Items[LimitShape]:
        throttling.change_limits(store, actor, place, values, clear=asked.clear, now=now)
        return {"items": [limit.as_json() for limit in throttling.read_limits(store, settings, place, now=now)]}

    return once(act)


@router.post("/campaigns/{name}/resend", responses=answered(ResentShape) | declared(404, 409, 502))
def resend(name: CampaignName, runtime: Behind, actor: Controller, once: MadeOnce, asked: Resend) -> Response:
    """Send again to those whose text failed, if it is proven that they did not get it, or to those who did not reply.

    As `campaigns resend --dry-run --json`; `run` is the new run, or null if nobody is left. The service sends it.
    """
    found = resending.to_resend(runtime.store, name, asked.only, asked.run, rehearsal=runtime.rehearsal)
    if asked.dry_run or not found.people:
        return once(lambda: resend_json(name, found, people=found.people))
    if (known := once.kept()) is not None:
        return known
    if found.only is ResendOnly.FAILED:
        resending.ask_again(runtime, found.root)  # the gateway is asked before the transaction, never within
    again = resending.to_resend(runtime.store, name, asked.only, asked.run, rehearsal=runtime.rehearsal)

    def act() -> ResentShape:
        send = resending.resend_failed if again.only is ResendOnly.FAILED else resending.resend_unanswered
        run_id = send(runtime, actor, again.root)
        return resend_json(name, again, run_id=run_id, people=again.people if run_id else 0)

    return once(act)


@router.post("/campaigns/{name}/resolve", responses=answered(ResolvedShape) | STATE)
def resolve(name: CampaignName, runtime: Behind, actor: Controller, once: MadeOnce, asked: Resolve) -> Response:
    """Decide whether held texts were sent, after a look at the gateway's own list. As `campaigns resolve --json`."""
    if (known := once.kept()) is not None:  # it would be refused now: nobody is held any more
        return known
    number = None if asked.number is None else normalised(asked.number, runtime.settings.region)
    about = resolving.to_decide(runtime.store, name, asked.run, number=number)
    now = runtime.clock.now()

    def act() -> ResolvedShape:
        done = resolving.resolve(runtime.store, actor, about, asked.declared, now=now)
        return resolved_json(name, about.run_id, asked.declared, done)

    return once(act)
