"""What `campaigns capacity` prints."""

from campaigns.counting import amount
from campaigns.display import TOO_FAR
from campaigns.values.durations import format_duration
from scheduler.actions.plans.capacity import Capacity
from scheduler.actions.plans.facts import device_words, rate_words
from scheduler.cli.rendering.output import local_time, print_facts, print_table, say
from scheduler.cli.rendering.plan import late_words, money_facts


def print_capacity(found: Capacity) -> None:
    """Print what a plan takes, and what would make it end in time."""
    seen, zone = found.seen, found.seen.definition.schedule.zone
    estimate, segments = seen.forecast, seen.summary.segments
    each = f": {-(-segments // found.phones):,} segments each" if found.phones > 1 else ""
    takes = format_duration(found.takes) if found.takes else ""
    lost = found.unpaid
    is_unsent = lost is not None and lost.texts == found.texts
    print_facts(
        [
            ("campaign", seen.definition.campaign),
            ("phones", f"{device_words(seen.definition)}{each}"),
            ("rate", rate_words(seen)),
            ("texts", f"{found.texts:,}"),
            ("cost", f"segments: {segments:,}"),
            *money_facts(seen),
            ("first send", local_time(estimate.first_send_at, zone) if estimate and not is_unsent else ""),
            ("last send", (local_time(found.last_send_at, zone) or TOO_FAR) if estimate and lost is None else ""),
            ("unsent", f"{amount(lost.texts, 'text')}: {lost.because}" if lost else ""),
            ("too late", late_words(seen, estimate) if estimate else ""),
            ("takes", takes),
            ("limited by", estimate.limit_words if estimate and not is_unsent else ""),
            ("disk", f"about {size_words(found.disk_bytes)} in the database"),
        ]
    )
    if found.by is None:
        return
    until = local_time(found.by, zone)
    if found.is_in_time:
        say(f"\nIt is done by {until}.")
        return
    if is_unsent:
        say(f"\nIt is not done by {until}: nothing is sent before there are prices.")
        return
    if not found.changes:
        say(f"\nIt is not done by {until}, and no single change of its file or of a limit would be enough.")
        say("Make two changes, or choose a later moment.")
        return
    say(f"\nIt is not done by {until}. {'Each of these' if found.changes[1:] else 'This'} alone would be enough:\n")
    rows = [(each.key, each.now, each.needed, local_time(each.last_send_at, zone)) for each in found.changes]
    print_table(("change", "now", "needed", "last send"), rows)


def size_words(size: int) -> str:
    """Return a number of bytes as people read it: `12 MB`."""
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= factor:
            return f"{size / factor:.3g} {unit}"
    return amount(size, "byte")
