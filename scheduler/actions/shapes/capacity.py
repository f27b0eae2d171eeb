"""What the document of the API says of `capacity`: what a plan takes."""

from typing import Annotated, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from scheduler.actions.shapes.plans import PlanCostShape
from scheduler.report.shown.shapes import Moment


class ChangeShape(TypedDict):
    """A key of the file, or a setting, that alone would be enough: what it says, and what it would have to say."""

    key: str
    now: str
    needed: str
    last_send_at: Moment


class CapacityShape(TypedDict):
    """What a plan takes. `changes`: the smallest of each kind with which it is done `by` then."""

    campaign: str
    phones: int
    texts: int
    segments: int
    cost: NotRequired[PlanCostShape]
    first_send_at: Moment | None
    last_send_at: Moment | None
    unsent: Annotated[int, Field(description="Texts that no budget of money pays for, or that need prices.")]
    unsent_because: str | None
    seconds: Annotated[
        int | None, Field(description="From the first text to the last; null: more than a year, or never.")
    ]
    limited_by: str | None
    disk_bytes: int
    by: Moment | None
    in_time: bool
    changes: list[ChangeShape]
