"""Who gets nothing, changed by hand; and what a person decides about replies."""

from typing import Annotated, Literal

from fastapi import Path, Query, Response
from fastapi.responses import JSONResponse
from pydantic import Field

from campaigns.definition import Kind
from scheduler.actions.answers import changed_json
from scheduler.actions.forgetting.erasing import erase as erase_people
from scheduler.actions.forgetting.shown import erasing_json
from scheduler.actions.numbers import all_normalised
from scheduler.actions.shapes.done import ChangedOptOuts, ErasedShape, Reviewed
from scheduler.actions.suppressing import opt_outs
from scheduler.actions.suppressing.replies import review as decide
from scheduler.actions.texts.shown import reviewed_json
from scheduler.web.api.guard import guarded_router
from scheduler.web.api.idempotency import MadeOnce
from scheduler.web.api.parameters import MOST_ID, Admin, Behind, Suppressor, sees_numbers
from scheduler.web.api.problems import PLAIN, PLAIN_OR_EMPTY, answered, declared
from scheduler.web.api.routes.control import Asked

router = guarded_router()

MOST_NUMBERS = opt_outs.AT_ONCE
"""In one call, which is one transaction: all of them are on the list, or none."""

Number = Annotated[str, Field(min_length=1, max_length=32, pattern=PLAIN)]


class OptOuts(Asked):
    """As the arguments of `campaigns suppress add`."""

    numbers: Annotated[
        list[Number],
        Field(
            min_length=1,
            max_length=MOST_NUMBERS,
            description=(
                f"At most {MOST_NUMBERS:,}: all of them are added, or none, and requests about to be made wait "
                "meanwhile. For more, make several calls, or use `campaigns suppress import`."
            ),
        ),
    ]
    kind: Kind | None = Field(default=None, description="Only for campaigns of this kind; default: for all.")
    reason: Annotated[str, Field(max_length=200, pattern=PLAIN_OR_EMPTY)] = ""


class PeopleToErase(Asked):
    """As the arguments of `campaigns erase`."""

    numbers: Annotated[list[Number], Field(min_length=1, max_length=MOST_NUMBERS)]


class Review(Asked):
    """What a reply was understood as."""

    decision: Literal["opt-out", "keep"] = Field(description="It is a stop, or it is none.")


@router.post("/suppressions", responses=answered(ChangedOptOuts))
def add(runtime: Behind, actor: Suppressor, once: MadeOnce, asked: OptOuts) -> Response:
    """Send nothing more to these numbers, from the next request on. As `campaigns suppress add --json`."""
    numbers = all_normalised(asked.numbers, runtime.settings.region)
    now = runtime.clock.now()

    def act() -> ChangedOptOuts:
        done = opt_outs.suppress(runtime.store, actor, numbers, kind=asked.kind, reason=asked.reason, now=now)
        return changed_json("added", done)

    return once(act)


@router.delete("/suppressions", responses=answered(ChangedOptOuts))
def remove(
    runtime: Behind,
    actor: Suppressor,
    once: MadeOnce,
    number: Annotated[list[Number], Query(min_length=1, max_length=100, description="With `+` as `%2B`; repeat it.")],
    kind: Annotated[Kind | None, Query(description="Only the entries of this kind.")] = None,
) -> Response:
    """Let these numbers get texts again, if their owners asked for it. As `campaigns suppress remove --json`."""
    numbers = all_normalised(number, runtime.settings.region)
    now = runtime.clock.now()

    def act() -> ChangedOptOuts:
        return changed_json("removed", opt_outs.unsuppress(runtime.store, actor, numbers, kind=kind, now=now))

    return once(act)


@router.post("/people/erase", responses=answered(ErasedShape) | declared(409))
def erase(runtime: Behind, actor: Admin, asked: PeopleToErase) -> Response:
    """Erase people: texts, names and replies are gone, a hash stands for the number, opt-outs stay. As `campaigns erase
    --json`. Who has a text under way is erased later; a call that is repeated changes nothing.
    """
    numbers = all_normalised(asked.numbers, runtime.settings.region)
    done = erase_people(runtime.store, actor, [numbers], inbox=runtime.settings.inbox, now=runtime.clock.now())
    return JSONResponse(erasing_json(done, full=sees_numbers(actor)))


@router.post("/replies/{reply}/review", responses=answered(Reviewed) | declared(404, 409))
def review(
    reply: Annotated[int, Path(ge=1, le=MOST_ID, description="The `id` of a reply that waits to be read.")],
    runtime: Behind,
    actor: Suppressor,
    once: MadeOnce,
    asked: Review,
) -> Response:
    """Say whether a reply that may mean stop is one. As `campaigns suppress review ID --json`."""
    if (known := once.kept()) is not None:  # it would be refused now: it waits no more
        return known
    is_stop = asked.decision == "opt-out"
    now = runtime.clock.now()

    def act() -> Reviewed:
        return reviewed_json(decide(runtime.store, actor, [reply], is_stop=is_stop, now=now), is_stop=is_stop)

    return once(act)
