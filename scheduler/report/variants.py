"""How the variants of a campaign compare with each other and with its control group, in figures and in words."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from campaigns.counting import amount
from campaigns.intervals import Interval, difference, wilson
from scheduler.report.shown.shapes import Bounds, OutcomesShape, ShareShape, VariantOutcome
from worker.store.reports.variants import GroupOutcome

FIGURES: Final = ("sent", "delivered", "replied", "opted_out")
"""What is counted for a variant, in the order in which it happens."""

OF_ANYBODY: Final = ("replied", "opted_out")
"""What people of the control group can do, too."""

CONTROL_NAME: Final = "control group"

CONFIDENCE: Final = (
    "shares are of all people of the group; in brackets: the 95 % confidence interval. "
    "Replied: without those who wrote only STOP, START or HELP"
)


def outcomes_json(groups: Sequence[GroupOutcome]) -> OutcomesShape:
    """Return `variants` and `control` of a run; neither if its people were not divided. Shares are from 0 to 1."""
    control = _control(groups)
    found: OutcomesShape = {}
    if groups:
        found["variants"] = [_variant_json(group, control) for group in groups if not group.is_control]
    if control is not None:
        found["control"] = {
            "recipients": control.people,
            "replied": _share_json(control.replied, control.people),
            "opted_out": _share_json(control.opted_out, control.people),
        }
    return found


def outcome_table(groups: Sequence[GroupOutcome]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return headings and rows."""
    control = _control(groups)
    versus = ("replied more than control",) if control is not None else ()
    rows = [
        (
            _name(group),
            f"{group.people:,}",
            *(_share(getattr(group, figure), group.people) if figure in _figures(group) else "" for figure in FIGURES),
            *(_versus(group, control) for _ in versus),
        )
        for group in groups
    ]
    return ("variant", "people", *(figure.replace("_", " ") for figure in FIGURES), *versus), rows


@dataclass(frozen=True, slots=True)
class OutcomeTable:
    """Headings and rows; no row if nobody was divided."""

    headings: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    about: str = f"{CONFIDENCE}."


def groups_of(groups: Sequence[GroupOutcome]) -> OutcomeTable:
    """Return how the groups of a run compare, for a page."""
    return OutcomeTable(*(outcome_table(groups) if groups else ((), [])))


TOO_FEW: Final = "too few to tell"


@dataclass(frozen=True, slots=True)
class ComparedShare:
    """How many, their share with its interval, and how that differs from the group it is compared with.

    `count` None: it is not counted for this group. `verdict` is empty for the group that others are compared with.
    """

    figure: str
    count: int | None
    share: str
    verdict: str


@dataclass(frozen=True, slots=True)
class ComparedGroup:
    """A group with a cell for each figure."""

    name: str
    people: int
    cells: tuple[ComparedShare, ...]
    run_id: int | None
    part: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """Groups beside each other; no row of none."""

    rows: tuple[ComparedGroup, ...]
    figures: tuple[str, ...] = tuple(figure.replace("_", " ") for figure in FIGURES)
    about: str = (
        f"{CONFIDENCE}. Below a share: the difference in points from the control group for replies and opt-outs, and "
        "from the first group otherwise or if there is no control group. "
        f"{TOO_FEW.capitalize()}: the difference may be chance."
    )


def compared(groups: Sequence[GroupOutcome]) -> Comparison:
    """Return groups beside each other."""
    control = _control(groups)

    def cell(group: GroupOutcome, figure: str) -> ComparedShare:
        if figure not in _figures(group):
            return ComparedShare(figure, None, "", "")
        base = control if control is not None and figure in OF_ANYBODY else groups[0]
        count = getattr(group, figure)
        if group is base:
            return ComparedShare(figure, count, _of_all(count, group.people), "")
        low, high = difference(count, group.people, getattr(base, figure), base.people)
        verdict = TOO_FEW if low <= 0 <= high else f"{100 * low:+.1f} to {100 * high:+.1f} points"
        return ComparedShare(figure, count, _of_all(count, group.people), verdict)

    return Comparison(
        tuple(
            ComparedGroup(
                _name(group),
                group.people,
                tuple(cell(group, each) for each in FIGURES),
                group.run_id,
                group.part,
            )
            for group in groups
        )
    )


def outcome_lines(groups: Sequence[GroupOutcome]) -> Iterator[str]:
    """Yield a sentence for each group, for people who never see a table."""
    for group in groups:
        parts = [
            f"{getattr(group, figure):,} {figure.replace('_', ' ')} ({_percent(getattr(group, figure), group.people)})"
            for figure in _figures(group)
        ]
        who = "Control group" if group.is_control else f"Variant {group.variant}" if group.variant else "Sent to"
        yield f"{who}: {amount(group.people, 'person', 'people')}, of these {', '.join(parts)}"


def _control(groups: Sequence[GroupOutcome]) -> GroupOutcome | None:
    return next((group for group in groups if group.is_control), None)


def _name(group: GroupOutcome) -> str:
    return CONTROL_NAME if group.is_control else group.variant or "sent to"


def _figures(group: GroupOutcome) -> Sequence[str]:
    return OF_ANYBODY if group.is_control else FIGURES


def _variant_json(group: GroupOutcome, control: GroupOutcome | None) -> VariantOutcome:
    found: VariantOutcome = {
        "name": group.variant,
        "recipients": group.people,
        "sent": _share_json(group.sent, group.people),
        "delivered": _share_json(group.delivered, group.people),
        "replied": _share_json(group.replied, group.people),
        "opted_out": _share_json(group.opted_out, group.people),
    }
    if control is not None:
        found["replied_more_than_control"] = _bounds(_more(group, control))
    return found


def _share_json(count: int, of: int) -> ShareShape:
    return {"count": count, "share": round(count / of, 4) if of else None, **_bounds(wilson(count, of))}


def _bounds(interval: Interval) -> Bounds:
    return {"low": round(interval.low, 4), "high": round(interval.high, 4)}


def _more(group: GroupOutcome, control: GroupOutcome) -> Interval:
    return difference(group.replied, group.people, control.replied, control.people)


def _percent(count: int, of: int) -> str:
    return f"{100 * count / of:.1f} %" if of else "-"


def _share(count: int, of: int) -> str:
    return f"{count:,} = {_of_all(count, of)}" if of else "0"


def _of_all(count: int, of: int) -> str:
    if not of:
        return ""
    low, high = wilson(count, of)
    return f"{_percent(count, of)} ({100 * low:.1f} to {100 * high:.1f})"


def _versus(group: GroupOutcome, control: GroupOutcome | None) -> str:
    if control is None or group.is_control:
        return ""
    low, high = _more(group, control)
    return f"{100 * low:+.1f} to {100 * high:+.1f} points"
