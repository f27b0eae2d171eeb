"""The recipients of one run of a campaign, a page at a time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from campaigns.lifecycle import RecipientState
from campaigns.protocol.bulk_actions import BulkAction, Cause
from scheduler.actions.naming import latest_run
from scheduler.actions.reading.pages import Page
from scheduler.actions.refusals import Refusal, Refused
from worker.store.engine import Store
from worker.store.following.devices import devices_seen
from worker.store.kept.counting import TEXT
from worker.store.reports import choices
from worker.store.reports.choices import is_for
from worker.store.reports.counts import failures, kept_parts
from worker.store.reports.exports import Exported
from worker.store.reports.recipients import recipients_after
from worker.store.runs.resends import resends_of
from worker.store.runs.runs import RunView

FIGURES: Final = choices.EVERY_FIGURE
NONE: Final = choices.NONE
NOT_CONTROL: Final = choices.NOT_CONTROL
"""Values of filters, as in `choices`."""


def known_figure(value: str) -> str:
    """Return a value of the filter `reached`. Raises `Refused` for another one."""
    if value not in FIGURES:
        sentence = f"there is no figure {value}; use one of {', '.join(FIGURES)}"
        raise Refused(Refusal.INVALID, sentence, field="reached")
    return value


@dataclass(frozen=True, slots=True)
class RecipientRow:
    """A recipient as exports have it, with the id of the row and of its run."""

    id: int
    run_id: int
    values: Exported


MOST_CHOICES: Final = 200
"""Of more phones, variants or reasons, none are offered: whoever filters by one writes it."""


@dataclass(frozen=True, slots=True)
class RecipientChoices:
    """What the recipients of a run can be filtered by. `phones`: those of its account."""

    run: RunView
    phones: Sequence[int]
    variants: Sequence[str]
    reasons: Sequence[str]


def read_choices(store: Store, campaign: str, number: int | None) -> RecipientChoices:
    """Return what recipients can be filtered by, from what is kept about them. Raises `Refused`."""
    with store.read() as session:
        run = latest_run(session, campaign, number)
        phones = dict.fromkeys(phone.device for phone in devices_seen(session, run.account_id))
        parts = sorted({part for _, part in kept_parts(session, [run.id], *RecipientState) if part.startswith(TEXT)})
        variants = [name for part in parts if (name := part.removeprefix(TEXT))]
        reasons = dict.fromkeys(each.reason for each in failures(session, run.id) if each.reason)
    found = ([*each] if len(each) <= MOST_CHOICES else [] for each in (phones, variants, reasons))
    return RecipientChoices(run, *found)


def read_recipients(
    store: Store,
    campaign: str,
    number: int | None,
    filters: Mapping[str, Any],
    *,
    among: tuple[BulkAction, Cause] | None = None,
    whole: bool = False,
    after: int,
    limit: int,
) -> Page[RecipientRow]:
    """Return recipients of a campaign's latest run, or the one with this number, from the row after `after` on.

    `filters`: those of `bulk.BulkSelection`, and `result_code`, `part` and `reached` as in `choices`. `among`: only
    those for whom an action would, or would not, be done for this cause. `whole`: with what was sent again, everybody
    once. Raises `Refused` for an unknown campaign or run.
    """
    with store.read() as session:
        run = latest_run(session, campaign, number)
        only = [is_for(session, among[0], run.id, among[1])] if among else []
        again = resends_of(session, run.id) if whole else []
        rows, place = recipients_after(session, run.id, filters, only=only, again=again, after=after, limit=limit)
    return Page([RecipientRow(id_, run.id, values) for id_, values in rows], place)
