"""What `campaigns plan` prints: a preview as JSON, or in words for people."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from campaigns.counting import amount
from campaigns.definition.models import OverCap as WhenOver
from campaigns.definition.schedule import Otherwise
from campaigns.display import TOO_FAR, saving_words, span_words
from campaigns.forecast import Day, Forecast
from campaigns.message.segments import segmentation
from campaigns.money.amounts import decimal_of
from campaigns.planning.approval import command, is_needed, to_approve
from campaigns.planning.batching import NO_LIMIT
from campaigns.planning.figures import PlanSummary, VariantSummary
from campaigns.steps.figures import Whole, with_steps
from campaigns.values.durations import format_duration
from scheduler.actions.plans.facts import (
    counts_of,
    device_words,
    forcing_characters,
    phone_lines,
    rate_words,
    replacements,
    step_lines,
)
from scheduler.actions.plans.offsets import ReminderOffset
from scheduler.actions.plans.preview import Preview
from scheduler.actions.shapes.plans import ForcingCharacter, ReplacedShape
from scheduler.cli.rendering.output import local_time, print_counts, print_facts, print_table, say

ZONES: Final = 12
"""How many groups of people with the same clocks are shown."""


DAYS: Final = 14
"""How many days are shown one by one."""


CHARACTERS: Final = 10
"""How many replaced characters are shown; `--json` has more."""


PREFIXES: Final = 10
"""How many prefixes are shown with what they cost; `--json` has more."""


def print_preview(seen: Preview) -> None:
    """Print the facts for people."""
    definition, summary = seen.definition, seen.summary
    print_facts(
        [
            ("campaign", definition.campaign),
            ("description", definition.description),
            ("plan", seen.plan_hash),
            ("devices", device_words(definition)),
            ("rate", rate_words(seen) or "as fast as the gateway takes it"),
            ("requests", _requests(seen)),
            *_timing(seen),
            ("cost", _cost(seen)),
            *money_facts(seen),
            ("steps", "\n".join(line for step in summary.steps for line in step_lines(step, definition.schedule.zone))),
            *_replaced(summary),
            *(("UCS-2 because", _because(entry)) for entry in forcing_characters(summary)),
            *(
                ("UCS-2 because", f"{_because(entry)}, step {step.name}")
                for step in summary.steps
                for entry in forcing_characters(step)
            ),
            *(("nothing for", reason) for reason in seen.reasons),
            *(
                ("left out", f"{amount(out.rows, 'row')} of {out.source}, where {out.where}")
                for out in summary.left_out
                if out.rows
            ),
            (
                "landlines",
                f"{summary.landlines:,}: with mobile_only: true they get nothing" if summary.landlines else "",
            ),
            ("frequency cap", _cap(seen)),
            ("approval", _approval(seen)),
            *(("warning", warning) for warning in summary.warnings),
        ]
    )
    if summary.audience:
        say("")
        print_counts({"audience": summary.audience} | {state.value: n for state, n in counts_of(summary).items()})
    if seen.forecast and len(seen.forecast.days) > 1:
        say("")
        _print_days(seen.forecast.days)
    _print_texts(summary)
    _print_longest("longest text", summary.longest_text)
    for step in summary.steps:
        if step.sample is not None:
            say(f"\nstep {step.name}, to {step.sample.number}\n  {step.sample.text}")
            if step.segments > step.most:
                _print_longest(f"longest text of step {step.name}", step.longest_text)


def _print_longest(name: str, text: str) -> None:
    if text:
        cost = segmentation(text)
        say(f"\n{name} ({cost.encoding}, segments: {cost.segments})\n  {text}")


def _print_texts(summary: PlanSummary) -> None:
    if summary.replaced and summary.replaced.example:
        as_written, text = summary.replaced.example
        say(f"\none text as it is written\n  {as_written}\nand as it is sent\n  {text}")
    if not summary.variants:
        for sample in summary.samples:
            say(f"\nto {sample.number}\n  {sample.text}")
        return
    say("")
    figures = ("share", "recipients", "segments")
    rows = [(v.name, f"{v.share} %", f"{v.recipients:,}", f"{v.segments:,}", _encodings(v)) for v in summary.variants]
    print_table(("variant", *figures, "encodings"), rows, numeric=figures)
    for variant in summary.variants:
        if variant.sample is not None:
            say(f"\nvariant {variant.name}, to {variant.sample.number}\n  {variant.sample.text}")


def _encodings(figures: PlanSummary | VariantSummary) -> str:
    return ", ".join(f"{amount(count, 'text')} {encoding}" for encoding, count in figures.encodings.items())


def _timing(seen: Preview) -> list[tuple[str, str]]:
    zone, estimate = seen.definition.schedule.zone, seen.forecast
    if estimate is None:
        return [("sends", "nothing: nobody in the audience can be texted")]
    last = estimate.last_send_at
    if (start := seen.definition.schedule.at_gateway) is not None:
        return _handed_over(seen, estimate, start)
    return [
        ("repeats", _repeats(seen)),
        ("reminders", "\n".join(_offset_words(offset, zone) for offset in seen.reminders)),
        ("first send", local_time(estimate.first_send_at, zone)),
        ("last send", local_time(last, zone) or f"{TOO_FAR}: raise the rate or widen the window"),
        ("limited by", estimate.limit_words),
        ("phones", "\n".join(phone_lines(estimate, zone))),
        ("too late", late_words(seen, estimate)),
        ("spread", _spread(seen)),
        ("by zone", "\n".join(_by_zone(estimate))),
        ("followed", f"until {local_time(last + seen.definition.follow.until, zone)} at the latest" if last else ""),
    ]


def _handed_over(seen: Preview, estimate: Forecast, start: datetime) -> list[tuple[str, str]]:
    """Return the times of a campaign whose start the gateway keeps, and what that means."""
    zone, last = seen.definition.schedule.zone, estimate.last_send_at
    raise_it = "" if last else ": raise the rate"
    followed = start + seen.definition.follow.until
    return [
        ("handed over", f"{span_words(estimate.first_send_at, last, zone)}{raise_it}"),
        ("limited by", estimate.limit_words),
        ("sent", f"{local_time(start, zone)}, by the gateway's clock, as fast as its phones can"),
        ("please note", "what the gateway has is sent: no pause, cancel, edit or STOP takes it back"),
        ("followed", f"until {local_time(max(followed, last or followed), zone)} at the latest"),
    ]


def late_words(seen: Preview, estimate: Forecast) -> str:
    """Return how many texts would miss their moment, and what becomes of them; empty if none would."""
    late = seen.definition.schedule.if_late
    if not estimate.late or late is None:
        return ""
    becomes = "held" if late.otherwise is Otherwise.HOLD else "skipped"
    return f"{estimate.late:,} cannot be sent within {format_duration(late.within)} and will be {becomes}"


def _print_days(days: Sequence[Day]) -> None:
    """Print how many texts leave on each day of the campaign's zone."""
    shown = [(f"{day.date:%a %Y-%m-%d}", day.texts, day.segments, day.millionths) for day in days[:DAYS]]
    if more := days[DAYS:]:
        totals = (sum(getattr(day, name) for day in more) for name in ("texts", "segments", "millionths"))
        shown.append((f"{len(more)} more days", *totals))
    figures = ("texts", "segments", *(("cost",) if any(day.millionths for day in days) else ()))
    rows = [
        (name, f"{texts:,}", f"{segments:,}", *((decimal_of(millionths),) if "cost" in figures else ()))
        for name, texts, segments, millionths in shown
    ]
    print_table(("day", *figures), rows, numeric=figures)


def _approval(seen: Preview) -> str:
    definition = seen.definition
    if not is_needed(definition, seen.summary.to_look_at):
        return ""
    what = "needed" if definition.schedule.repeat is None else "of this version of the file needed"
    approval = to_approve(definition, seen.plan_hash)
    return f"{what} before anything is sent: {command(definition.campaign, approval)}"


def _cap(seen: Preview) -> str:
    cap = seen.definition.frequency_cap
    if cap is None or seen.over_cap is None:
        return ""
    ends = "wait until they drop below it" if cap.otherwise is WhenOver.DEFER else "would get nothing"
    limit = f"{cap.messages} in {format_duration(cap.per)} to one person, over all {seen.definition.kind} campaigns"
    return f"{limit}; over it now, and {ends}: {seen.over_cap:,}"


def _repeats(seen: Preview) -> str:
    repeat, zone = seen.definition.schedule.repeat, seen.definition.schedule.zone
    return f"{repeat.cron}, next: {', '.join(local_time(at, zone) for at in seen.runs)}" if repeat else ""


def _spread(seen: Preview) -> str:
    spread = seen.definition.schedule.spread
    if spread is None:
        return ""
    steps = [f"{step.share} % in {format_duration(step.over)}" for step in spread.ramp]
    begins = f", {', then '.join(steps)} at first" if steps else ""
    return f"over {format_duration(spread.over)} of open window{begins}"


def _by_zone(estimate: Forecast) -> Iterator[str]:
    """Yield when people of each zone get their texts, by the clocks of the first of the zones they may be in."""
    groups = [group for group in estimate.groups if group.zones]
    for group in groups[:ZONES]:
        names = group.zones.split(",")
        zone = ZoneInfo(names[0])
        others = f" and {len(names) - 1} other zones at once" if names[1:] else ""
        first, last = (local_time(at, zone) or TOO_FAR for at in (group.first_send_at, group.last_send_at))
        yield f"{group.people:,} from {first}{others} until {last}"
    if more := groups[ZONES:]:
        yield f"{sum(group.people for group in more):,} in {len(more):,} other zones"


def _offset_words(offset: ReminderOffset, zone: ZoneInfo) -> str:
    """Return for people how many texts leave, from when to when, and how many were missed."""
    when = f", {span_words(offset.first, offset.last, zone)}" if offset.first else ""
    missed = f"; {offset.missed:,} missed" if offset.missed else ""
    return f"{offset.label}: {amount(offset.people, 'text')}{when}{missed}"


def _requests(seen: Preview) -> str:
    limits = seen.limits
    segments = f" and {amount(limits.segments, 'segment')}, or one text that takes more"  # as `BatchLimits` says
    segments = segments if limits.segments < NO_LIMIT else ""
    return f"{seen.requests:,} (each at most {amount(limits.messages, 'text')}{segments})"


def _cost(seen: Preview) -> str:
    if (list_id := seen.definition.contact_list) is not None:
        segments = segmentation(seen.definition.message).segments
        return (
            f"segments: {segments} for each contact of list {list_id}; only the gateway knows how many people that is"
        )
    summary, encodings = seen.summary, _encodings(seen.summary)
    whole = f"; {_whole(summary).segment_words}" if summary.steps else ""
    return f"segments: {summary.segments:,}" + (f" ({encodings})" if encodings else "") + whole


def _whole(summary: PlanSummary) -> Whole:
    return with_steps(summary.segments, summary.cost, summary.steps)


def money_facts(seen: Preview) -> Iterator[tuple[str, str]]:
    """Yield what it costs in money, in all and by prefix, and the budgets that hold."""
    cost = seen.summary.cost
    if cost is not None:
        yield "money", str(cost) + (f"; {_whole(seen.summary).cost_words}" if seen.summary.steps else "")
        if len(cost.prefixes) > 1:
            for each in cost.prefixes[:PREFIXES]:
                people = amount(each.recipients, "person", "people")
                yield "", f"{decimal_of(each.millionths)} for {people} with +{each.prefix}"
    for budget in seen.money:
        yield "budget", f"{budget} ({budget.whose})"


def _replaced(summary: PlanSummary) -> Iterator[tuple[str, str]]:
    """Yield what `encoding` saves, and the characters that it replaces."""
    if summary.replaced is None:
        return
    found = replacements(summary.replaced)
    yield "saved", saving_words(found["texts"], found["segments_saved"])
    for entry in found["characters"][:CHARACTERS]:
        yield ("replaced" if entry["written"] else "removed"), _instead(entry)
    if more := len(found["characters"][CHARACTERS:]) + found["more_characters"]:
        yield "replaced", f"and {amount(more, 'more character')}"


def _instead(entry: ReplacedShape) -> str:
    by = f" by {entry['written']!r}" if entry["written"] else ""
    return f"{entry['code']} {entry['name']}{by} in {amount(entry['texts'], 'text')}"


def _because(entry: ForcingCharacter) -> str:
    return f"{entry['code']} {entry['name']} in {amount(entry['texts'], 'text')}"
