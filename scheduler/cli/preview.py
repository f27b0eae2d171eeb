"""What `campaigns plan` shows: a plan made, counted and thrown away."""

import unicodedata
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from itertools import islice
from operator import attrgetter
from typing import Any, Final
from zoneinfo import ZoneInfo

from campaigns.audience import AudienceProblem
from campaigns.batching import NO_LIMIT, BatchLimits, into_batches
from campaigns.definition import Definition, DeviceMode, Rate
from campaigns.definition.durations import format_duration
from campaigns.figures import PlanSummary, VariantSummary
from campaigns.forecast import Forecast, Group, forecast
from campaigns.lifecycle import RecipientState
from campaigns.periods import Allowance
from campaigns.planning import plan_recipients
from campaigns.problems import CampaignFileError, Problem
from campaigns.segments import segmentation
from campaigns.timing.placing import Departure, Placer, hours_of
from campaigns.timing.recurrence import SEARCH, recurrence_of
from scheduler.cli.output import local_time, print_counts, print_facts, print_table, say
from scheduler.intake import allowances_of, limits_of, list_of, rates_of, too_dear
from scheduler.report import utc
from worker.limits import Scope, routes
from worker.settings import Settings

RUNS: Final = 3
"""So many of the next runs of a campaign that repeats are shown."""

ZONES: Final = 12
"""So many groups of people with the same clocks are shown."""

REASONS: Final = 3
"""So many rows of each state that is not sent to are shown as examples."""


@dataclass(frozen=True, slots=True)
class Preview:
    """What a campaign would do. `reasons` say why some get nothing.

    `rates` and `budgets` are those of all its devices together. `runs` are the next moments of a campaign that repeats;
    all else is about the first of them. `groups` are its people by their clocks.
    """

    definition: Definition
    plan_hash: str
    summary: PlanSummary
    limits: BatchLimits
    requests: int
    rates: tuple[Rate, ...]
    budgets: tuple[Allowance, ...]
    reasons: tuple[str, ...]
    runs: tuple[datetime, ...]
    groups: tuple[Group, ...]
    forecast: Forecast | None


def preview(definition: Definition, settings: Settings, *, source: str, now: datetime) -> Preview:
    """Plan the campaign as it would be planned now. Raises `CampaignFileError` for an unusable or empty audience."""
    recurrence = recurrence_of(definition.schedule)
    runs = tuple(islice(recurrence.between(now, now + SEARCH), RUNS)) if recurrence else ()
    placer = Placer(definition.schedule, now, firing=runs[0] if runs else None)
    plan = plan_recipients(definition, placer=placer)
    limits = limits_of(definition, settings)
    requests, reasons, groups = 0, dict[RecipientState, list[str]](), _Groups(definition)
    try:
        for chunk in into_batches(plan, limits):
            for row, batch in chunk:
                if row.state is RecipientState.PENDING and row.departure and batch is not None:
                    requests = max(requests, batch + 1)
                    groups.add(row.departure, 1, row.segments)
                elif len(known := reasons.setdefault(row.state, [])) < REASONS:
                    reason = f"{row.state.value}: {row.reason}"
                    if reason not in known:
                        known.append(reason)
        problem = "" if plan.summary.audience or list_of(definition) else "the audience is empty"
    except AudienceProblem as error:
        problem = str(error)
    problem = problem or too_dear(definition, settings, plan.summary)
    if problem:
        raise CampaignFileError([Problem(source, 1, 1, "audience", problem)])
    if list_of(definition) is not None:
        requests, placed = 1, placer.everybody()  # one request; the gateway knows for how many
        if placed.departure is not None and placed.state is RecipientState.PENDING:
            groups.add(placed.departure, 0, segmentation(definition.message).segments)
    rates, budgets, found = _rates(definition, settings), _budgets(definition, settings), groups.found()
    return Preview(
        definition,
        plan.hash,
        plan.summary,
        limits,
        requests,
        rates,
        budgets,
        tuple(reason for state in RecipientState for reason in reasons.get(state, ())),
        runs,
        found,
        forecast(found, rates=rates, budgets=budgets),
    )


class _Groups:
    """Adds up who goes by the same clocks."""

    def __init__(self, definition: Definition) -> None:
        self._schedule = definition.schedule
        self._found: dict[str, Group] = {}

    def add(self, departure: Departure, people: int, segments: int) -> None:
        known = self._found.get(departure.zones)
        if known is None:
            hours = hours_of(self._schedule, departure.zones)
            known = Group(departure.zones, 0, 0, departure.at, departure.at, hours)
        self._found[departure.zones] = Group(
            known.zones,
            known.people + people,
            known.segments + segments,
            min(known.first, departure.at),
            max(known.last, departure.at),
            known.hours,
        )

    def found(self) -> tuple[Group, ...]:
        return tuple(sorted(self._found.values(), key=attrgetter("first", "zones")))


def _rates(definition: Definition, settings: Settings) -> tuple[Rate, ...]:
    """Every rate that applies; devices that take turns each have the device rate."""
    if (rate := settings.device_rate) is not None:
        shared = Rate(rate.count * len(routes(definition, first=0)), rate.per)
        settings = settings.model_copy(update={"device_rate": shared})
    return tuple(rates_of(definition, settings))


def _budgets(definition: Definition, settings: Settings) -> tuple[Allowance, ...]:
    """Every budget that applies; devices that take turns each have their own."""
    devices = len(routes(definition, first=0))
    return tuple(
        replace(allowance, segments=allowance.segments * devices) if scope is Scope.DEVICE else allowance
        for scope, allowance in allowances_of(definition, settings)
    )


SPLIT_BY_GATEWAY: Final = "the gateway splits the texts, and all phones together keep to the rate of one"
"""What follows from not choosing the phone ourselves: see `worker.limits.routes`."""


def device_words(definition: Definition) -> str:
    """Which phones send, in words."""
    devices = definition.devices
    names = [
        f"device {target.device}" + ("" if target.slot is None else f" SIM slot {target.slot}")
        for target in devices.use
    ]
    match devices.mode:
        case DeviceMode.ALL_DEVICES:
            chosen = "every device, with its default SIM"
        case DeviceMode.ALL_SIMS:
            chosen = "every SIM of every device"
        case DeviceMode.SPECIFIED:
            chosen = ", ".join(names) or "the gateway's primary device"
    if devices.random:
        return f"one of {chosen}, by chance for each request; {SPLIT_BY_GATEWAY}"
    if devices.mode is not DeviceMode.SPECIFIED:
        return f"{chosen}; {SPLIT_BY_GATEWAY}"
    return f"{chosen}, in turns" if len(names) > 1 else chosen


def forcing_characters(summary: PlanSummary) -> list[dict[str, Any]]:
    """The characters for whose sake texts are sent as UCS-2, the most frequent first, by code and name."""
    return [
        {
            "character": character,
            "code": f"U+{ord(character):04X}",
            "name": unicodedata.name(character, "a character without a name"),
            "texts": count,
        }
        for character, count in summary.forced_by
    ]


def preview_json(seen: Preview) -> dict[str, Any]:
    """The facts as one object; times are ISO 8601 in UTC."""
    definition, summary, estimate = seen.definition, seen.summary, seen.forecast
    last = estimate.last_send_at if estimate else None
    return {
        "campaign": definition.campaign,
        "plan": seen.plan_hash,
        "recipients": {"audience": summary.audience} | {state.value: n for state, n in _counts(summary).items()},
        "segments": summary.segments,
        "encodings": dict(summary.encodings),
        "forced_by": forcing_characters(summary),
        "samples": [{"number": sample.number, "text": sample.text} for sample in summary.samples],
        "longest_text": summary.longest_text,
        **({"variants": [_variant_json(variant) for variant in summary.variants]} if summary.variants else {}),
        "not_sent": list(seen.reasons),
        "warnings": list(summary.warnings),
        "devices": device_words(definition),
        "rates": [str(rate) for rate in seen.rates],
        "budgets": [str(budget) for budget in seen.budgets],
        "batch_size": seen.limits.messages,
        "batch_segments": seen.limits.segments if seen.limits.segments < NO_LIMIT else None,
        "requests": seen.requests,
        "first_send_at": utc(estimate.first_send_at) if estimate else None,
        "last_send_at": utc(last),
        "followed_until": utc(last + definition.follow.until) if last else None,
        "limited_by": str(estimate.limit) if estimate and estimate.limit else None,
        "runs": [utc(moment) for moment in seen.runs],
        "zones": [
            {
                "zones": group.zones.split(","),
                "recipients": group.people,
                "first_send_at": utc(group.first),
                "last_send_at": utc(ends),
            }
            for group, ends in zip(seen.groups, estimate.last_of if estimate else (), strict=False)
            if group.zones
        ],
    }


def print_preview(seen: Preview) -> None:
    """The facts for people."""
    definition, summary = seen.definition, seen.summary
    rates = [f"at most {limit}" for limit in (*seen.rates, *seen.budgets)]
    print_facts(
        [
            ("campaign", definition.campaign),
            ("description", definition.description),
            ("plan", seen.plan_hash),
            ("devices", device_words(definition)),
            ("rate", f"{' and '.join(rates)}, in segments" if rates else "as fast as the gateway takes it"),
            ("requests", _requests(seen)),
            *_timing(seen),
            ("cost", _cost(seen)),
            *(("UCS-2 because", _because(entry)) for entry in forcing_characters(summary)),
            *(("nothing for", reason) for reason in seen.reasons),
            *(("warning", warning) for warning in summary.warnings),
        ]
    )
    if summary.audience:
        say("")
        print_counts({"audience": summary.audience} | {state.value: n for state, n in _counts(summary).items()})
    _print_texts(summary)
    if summary.longest_text:
        cost = segmentation(summary.longest_text)
        say(f"\nlongest text ({cost.encoding}, segments: {cost.segments})\n  {summary.longest_text}")


def _print_texts(summary: PlanSummary) -> None:
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
    return ", ".join(f"{count:,} texts {encoding}" for encoding, count in figures.encodings.items())


def _variant_json(variant: VariantSummary) -> dict[str, Any]:
    return {
        "name": variant.name,
        "share": variant.share,
        "recipients": variant.recipients,
        "segments": variant.segments,
        "encodings": dict(variant.encodings),
        "sample": asdict(variant.sample) if variant.sample else None,
        "longest_text": variant.longest_text,
    }


def _counts(summary: PlanSummary) -> dict[RecipientState, int]:
    return {state: summary.counts[state] for state in RecipientState if state in summary.counts}


def _timing(seen: Preview) -> list[tuple[str, str]]:
    zone, estimate = seen.definition.schedule.zone, seen.forecast
    if estimate is None:
        return [("sends", "nothing: nobody in the audience can be sent to")]
    last = estimate.last_send_at
    return [
        ("repeats", _repeats(seen)),
        ("first send", local_time(estimate.first_send_at, zone)),
        ("last send", local_time(last, zone) or "more than a year later: raise the rate or widen the window"),
        ("limited by", f"{estimate.limit}, in segments" if estimate.limit else ""),
        ("spread", _spread(seen)),
        ("by zone", "\n".join(_by_zone(seen, estimate))),
        ("followed", f"until {local_time(last + seen.definition.follow.until, zone)} at the latest" if last else ""),
    ]


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


def _by_zone(seen: Preview, estimate: Forecast) -> Iterator[str]:
    """From when to when people of each zone are sent to, by the clocks of the first of the zones they may be in."""
    groups = [(group, ends) for group, ends in zip(seen.groups, estimate.last_of, strict=True) if group.zones]
    for group, ends in groups[:ZONES]:
        names = group.zones.split(",")
        zone = ZoneInfo(names[0])
        others = f" and {len(names) - 1} other zones at once" if names[1:] else ""
        until = local_time(ends, zone) or "more than a year later"
        yield f"{group.people:,} from {local_time(group.first, zone)}{others} until {until}"
    if more := groups[ZONES:]:
        yield f"{sum(group.people for group, _ in more):,} in {len(more):,} other zones"


def _requests(seen: Preview) -> str:
    limits = seen.limits
    segments = f"; segments at most {limits.segments:,}" if limits.segments < NO_LIMIT else ""
    return f"{seen.requests:,} (each at most {limits.messages:,} texts{segments})"


def _cost(seen: Preview) -> str:
    if (list_id := list_of(seen.definition)) is not None:
        segments = segmentation(seen.definition.message).segments
        return f"segments: {segments} for each contact of list {list_id}; only the gateway knows how many they are"
    encodings = _encodings(seen.summary)
    return f"segments: {seen.summary.segments:,}" + (f" ({encodings})" if encodings else "")


def _because(entry: dict[str, Any]) -> str:
    return f"{entry['code']} {entry['name']} in {entry['texts']:,} texts"
