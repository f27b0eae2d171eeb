"""What became of people who were to be erased, for people and for programs."""

from collections.abc import Iterator

from campaigns.counting import amount
from campaigns.phone_numbers.masking import mask
from campaigns.protocol.erasure import UNSETTLED
from scheduler.actions.forgetting.erasing import Erasing
from scheduler.actions.shapes.done import ErasedShape
from scheduler.report.shown.seeing import number_for


def erasing_json(done: Erasing, *, full: bool) -> ErasedShape:
    """Return what became of them as one object."""
    return {
        "erased": done.erased,
        "unknown": done.unknown,
        "cancelled": done.cancelled,
        "waits": done.waits.total(),
        "waiting": [
            {"number": number_for(number, full=full), "for": why.value} for number, why in done.waiting.items()
        ],
        "files": sorted({*done.files, *done.reports.failed}),
        "wiped": done.is_wiped,
    }


def erasing_lines(done: Erasing) -> Iterator[str]:
    """Yield what became of them in sentences; numbers are masked."""
    yield f"erased: {amount(done.erased, 'person', 'people')}"
    if done.cancelled:
        yield f"cancelled: {amount(done.cancelled, 'text that was', 'texts that were')} planned for them"
    if done.unknown:
        yield f"nothing was known of {amount(done.unknown, 'person', 'people')}"
    if len(done.waiting) == 1 == done.waits.total():
        [(number, why)] = done.waiting.items()
        yield f"{mask(number)} waits: {UNSETTLED[why]}"
    else:
        for why, people in done.waits.most_common():
            yield f"{people:,} wait: {UNSETTLED[why]}"
    if done.waits:
        yield "the service erases them once that is over, or do it yourself: campaigns erase NUMBER"
    if done.files:
        yield "these files are yours and may still name them: take them out there, or they are new people the next time"
        yield from (f"  {name}" for name in done.files)
    if done.reports.done:
        yield f"taken out of {amount(len(done.reports.done), 'report')} in the inbox"
    for name, problem in sorted(done.reports.failed.items()):
        yield f"{name} may still name them ({problem}): let this user write there and erase them again, or delete it"
    if not done.is_wiped:
        yield (
            "free parts of the database file may still hold what was erased; rebuild it while nothing is sent: "
            "campaigns erase NUMBER --rebuild"
        )
