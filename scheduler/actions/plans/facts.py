"""The facts of a plan: as one object for programs, and those parts that are also shown to people."""

import unicodedata
from collections.abc import Iterator
from typing import Final, cast
from zoneinfo import ZoneInfo

from campaigns.counting import amount
from campaigns.definition import Definition, DeviceMode
from campaigns.display import phone_words, shown_time, span_words, target_words, utc
from campaigns.forecast import Forecast, PhoneShare
from campaigns.lifecycle import RecipientState
from campaigns.planning.approval import command, is_needed, to_approve
from campaigns.planning.batching import NO_LIMIT
from campaigns.planning.figures import PlanSummary, VariantSummary
from campaigns.planning.planned import SampleText
from campaigns.planning.replacements import ReplacedTexts
from campaigns.steps.figures import StepSummary, with_steps
from scheduler.actions.plans.capacity import Capacity
from scheduler.actions.plans.offsets import ReminderOffset
from scheduler.actions.plans.preview import Preview
from scheduler.actions.shapes.capacity import CapacityShape
from scheduler.actions.shapes.plans import (
    DayShape,
    ForcingCharacter,
    PlanCostShape,
    PlannedOffset,
    PlannedPhone,
    PlannedReplacements,
    PlannedVariant,
    PlannedWhole,
    PlanPreview,
    PreviewedStep,
    SampleShape,
)
from scheduler.report.shown.seeing import words_for
from worker.limits.batch_limits import ANY_DEVICE, PRIMARY_DEVICE

SPLIT_BY_GATEWAY: Final = "the gateway splits the texts, and all phones together keep the limits of one"
"""The consequence of letting the gateway choose the phone: see `worker.limits.batch_limits.routes`."""


def device_words(definition: Definition) -> str:
    """Return which phones send, in words."""
    devices = definition.devices
    names = [phone_words(target.device, target.slot) for target in devices.use]
    match devices.mode:
        case DeviceMode.ALL_DEVICES:
            chosen = "every phone, with its default SIM"
        case DeviceMode.ALL_SIMS:
            chosen = "every SIM of every phone"
        case DeviceMode.SPECIFIED:
            chosen = ", ".join(names) or "the gateway's primary phone"
    if devices.random:
        return f"one of {chosen}, by chance for each request; {SPLIT_BY_GATEWAY}"
    if devices.mode is not DeviceMode.SPECIFIED:
        return f"{chosen}; {SPLIT_BY_GATEWAY}"
    if len(names) < 2:
        return chosen
    return f"{chosen}; everybody always by the same one" if devices.stick else f"{chosen}, in turns"


PHONES: Final = 12
"""How many phones are shown one by one."""


def phone_lines(estimate: Forecast, zone: ZoneInfo) -> Iterator[str]:
    """Yield what each phone does of a plan: `phone 1: 120 texts, 80 new people (30 of 250 this month so far)`."""
    for phone in estimate.phones[:PHONES]:
        line = f"{phone_name(phone.name)}: {amount(phone.texts, 'text')}"
        if phone.most is not None:
            line += f", {phone.people:,} new {'person' if phone.people == 1 else 'people'}"
            line += f" ({phone.used:,} of {phone.most:,} this month so far)"
        if phone.exhausted_at is not None:
            line += f"; nobody new from {shown_time(phone.exhausted_at, zone)} until the next month"
        yield line
    if more := estimate.phones[PHONES:]:
        yield f"{amount(len(more), 'more phone')}: {amount(sum(phone.texts for phone in more), 'text')}"


def phone_name(device: str) -> str:
    """Return a phone of a plan in words."""
    return "the gateway's choice" if device in {ANY_DEVICE, PRIMARY_DEVICE} else target_words(device)


def forcing_characters(summary: PlanSummary | StepSummary) -> list[ForcingCharacter]:
    """Return the characters that force texts into UCS-2, the most frequent first, by code and name."""
    return [
        {
            "character": character,
            "code": _code(character),
            "name": _name(character),
            "texts": count,
        }
        for character, count in summary.forced_by
    ]


def _code(character: str) -> str:
    return f"U+{ord(character):04X}"


def _name(character: str) -> str:
    return unicodedata.name(character, "a character without a name")


def replacements(found: ReplacedTexts, *, full: bool = True) -> PlannedReplacements:
    """Return what was replaced, by code and name, with the example only if `full`."""
    return {
        "texts": found.texts,
        "segments_saved": found.segments_saved,
        "characters": [
            {
                "character": each.character,
                "code": _code(each.character),
                "name": _name(each.character),
                "written": each.written,
                "texts": each.texts,
            }
            for each in found.characters
        ],
        "more_characters": found.more_characters,
        "example": {"as_written": found.example[0], "text": found.example[1]} if full and found.example else None,
    }


def counts_of(summary: PlanSummary) -> dict[RecipientState, int]:
    """Return the people of a plan by state, in the order of the states."""
    return {state: summary.counts[state] for state in RecipientState if state in summary.counts}


def rate_words(seen: Preview) -> str:
    """Return the limits that hold for a campaign, each once, in words; empty if there are none."""
    limits = dict.fromkeys(str(limit) for limit in (*seen.rates, *seen.budgets))
    return f"at most {' and '.join(limits)}, in segments" if limits else ""


def preview_json(seen: Preview, *, full: bool = True) -> PlanPreview:
    """Return the facts as one object, with texts only if `full`; times are ISO 8601 in UTC."""
    definition, summary, estimate = seen.definition, seen.summary, seen.forecast
    last = estimate.last_send_at if estimate else None
    is_held = is_needed(definition, summary.to_look_at)
    approval = to_approve(definition, seen.plan_hash) if is_held else ""
    shown: PlanPreview = {
        "campaign": definition.campaign,
        "plan": seen.plan_hash,
        "recipients": {"audience": summary.audience} | {state.value: n for state, n in counts_of(summary).items()},
        "segments": summary.segments,
        "encodings": dict(summary.encodings),
        "forced_by": forcing_characters(summary),
        "samples": [{"number": sample.number, "text": sample.text} for sample in summary.samples] if full else [],
        "longest_text": words_for(summary.longest_text, full=full),
        "landlines": summary.landlines,
        "left_out": [{"source": each.source, "where": each.where, "rows": each.rows} for each in summary.left_out],
        "not_sent": list(seen.reasons),
        "warnings": list(summary.warnings),
        "over_cap_now": seen.over_cap,
        "devices": device_words(definition),
        "phones": [_phone_json(phone) for phone in (estimate.phones if estimate else ())],
        "rates": [str(rate) for rate in seen.rates],
        "budgets": [str(budget) for budget in seen.budgets],
        "batch_size": seen.limits.messages,
        "batch_segments": seen.limits.segments if seen.limits.segments < NO_LIMIT else None,
        "requests": seen.requests,
        "first_send_at": utc(estimate.first_send_at) if estimate else None,
        "last_send_at": utc(last),
        "followed_until": utc(last + definition.follow.until) if last else None,
        "limited_by": estimate.limited_by or None if estimate else None,
        "too_late": estimate.late if estimate else 0,
        "runs": [utc(moment) for moment in seen.runs],
        "reminders": [_offset_json(offset) for offset in seen.reminders],
        "days": [cast(DayShape, day.to_json()) for day in (estimate.days if estimate else ())],
        "zones": [
            {
                "zones": group.zones.split(","),
                "recipients": group.people,
                "first_send_at": utc(group.first_send_at),
                "last_send_at": utc(group.last_send_at),
            }
            for group in (estimate.groups if estimate else ())
            if group.zones
        ],
    }
    if summary.cost is not None:
        shown["cost"] = cast(PlanCostShape, summary.cost.to_json())
    if seen.money:
        shown["money"] = [str(budget) for budget in seen.money]
    if summary.replaced is not None:
        shown["replaced"] = replacements(summary.replaced, full=full)
    if summary.variants:
        shown["variants"] = [_variant_json(variant, full=full) for variant in summary.variants]
    if summary.steps:
        whole = with_steps(summary.segments, summary.cost, summary.steps)
        shown["with_steps"] = cast(PlannedWhole, whole.to_json())
        shown["steps"] = [_step_json(step, full=full) for step in summary.steps]
    if approval:
        shown["approval"] = {"plan": approval, "command": command(definition.campaign, approval)}
    return shown


def step_lines(step: StepSummary, zone: ZoneInfo) -> Iterator[str]:
    """Yield who may get a step, what it takes, and when it goes: `nudge: 0 to 120 texts, unless replied`.

    It goes later where limits and budgets are taken up by the campaign's own text: a forecast does not know how many
    people get a step.
    """
    who = f"{step.least:,} to {amount(step.most, 'text')}" if step.least < step.most else amount(step.most, "text")
    conditions = [f"{key} {' or '.join(names)}" for key, names in (("unless", step.unless),) if names]
    conditions += [f"only if {' and '.join(step.only_if)}"] if step.only_if else []
    cost = ""
    if step.cost is not None:
        cost = f"{step.cost}" if step.least == step.most else f"at most {step.cost}"
    texts = amount(step.segments, "segment")
    if set(step.encodings) - {"GSM-7"}:
        encodings = (f"{amount(count, 'text')} {encoding}" for encoding, count in step.encodings.items())
        texts += f" ({', '.join(encodings)})"
    yield ", ".join((f"{step.name}: {who}", *conditions))
    yield f"  {', '.join(filter(None, (texts, cost)))}"
    yield f"  {step.after} after the text before"
    if step.first_send_at is not None:
        yield f"  {span_words(step.first_send_at, step.last_send_at, zone)} at the earliest"


def _phone_json(phone: PhoneShare) -> PlannedPhone:
    return {
        "device": phone.name,
        "texts": phone.texts,
        "people": phone.people,
        "people_before": phone.used,
        "people_monthly": phone.most,
        "exhausted_at": utc(phone.exhausted_at),
    }


def _step_json(step: StepSummary, *, full: bool) -> PreviewedStep:
    found = step.to_json() | {
        "forced_by": forcing_characters(step),
        "sample": _sample_json(step.sample) if full else None,
        "longest_text": words_for(step.longest_text, full=full),
    }
    return cast(PreviewedStep, found)


def _sample_json(sample: SampleText | None) -> SampleShape | None:
    return {"number": sample.number, "text": sample.text} if sample else None


def _variant_json(variant: VariantSummary, *, full: bool) -> PlannedVariant:
    return {
        "name": variant.name,
        "share": variant.share,
        "recipients": variant.recipients,
        "segments": variant.segments,
        "encodings": dict(variant.encodings),
        "sample": _sample_json(variant.sample) if full else None,
        "longest_text": words_for(variant.longest_text, full=full),
    }


def _offset_json(offset: ReminderOffset) -> PlannedOffset:
    """Return an offset for programs; times are ISO 8601 in UTC."""
    return {
        "offset": offset.label,
        "recipients": offset.people,
        "missed": offset.missed,
        "first_send_at": utc(offset.first),
        "last_send_at": utc(offset.last),
    }


def capacity_json(found: Capacity) -> CapacityShape:
    """Return what a plan takes, and the changes that would make it end in time."""
    estimate, cost = found.seen.forecast, found.seen.summary.cost
    shown: CapacityShape = {
        "campaign": found.seen.definition.campaign,
        "phones": found.phones,
        "texts": found.texts,
        "segments": found.seen.summary.segments,
        "first_send_at": utc(estimate.first_send_at) if estimate else None,
        "last_send_at": utc(found.last_send_at),
        "unsent": found.unpaid.texts if found.unpaid else 0,
        "unsent_because": found.unpaid.because if found.unpaid else None,
        "seconds": int(found.takes.total_seconds()) if found.takes is not None else None,
        "limited_by": estimate.limited_by or None if estimate else None,
        "disk_bytes": found.disk_bytes,
        "by": utc(found.by),
        "in_time": found.is_in_time,
        "changes": [
            {"key": each.key, "now": each.now, "needed": each.needed, "last_send_at": utc(each.last_send_at)}
            for each in found.changes
        ],
    }
    if cost is not None:
        shown["cost"] = cast(PlanCostShape, cost.to_json())
    return shown
