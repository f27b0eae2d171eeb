"""The recipients of one run of a campaign, a page at a time."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from campaigns.protocol.bulk_actions import BulkAction, Cause
from scheduler.actions.naming import latest_run
from scheduler.actions.reading.pages import Page
from worker.store.engine import Store
from worker.store.reports.choices import is_for
from worker.store.reports.exports import Exported
from worker.store.reports.recipients import recipients_after


@dataclass(frozen=True, slots=True)
class RecipientRow:
    """A recipient as exports have it, with the id of the row and of its run."""

    id: int
    run_id: int
    values: Exported


def read_recipients(
    store: Store,
    campaign: str,
    number: int | None,
    filters: Mapping[str, Any],
    *,
    among: tuple[BulkAction, Cause] | None = None,
    after: int,
    limit: int,
) -> Page[RecipientRow]:
    """Return recipients of a campaign's latest run, or the one with this number, from the row after `after` on.

    `filters`: those of `bulk.BulkSelection`. `among`: only those for whom an action would, or would not, be done for
    this cause. Raises `Refused` for an unknown campaign or run.
    """
    with store.read() as session:
        run = latest_run(session, campaign, number)
        only = [is_for(session, among[0], run.id, among[1])] if among else []
        rows, place = recipients_after(session, run.id, filters, only=only, after=after, limit=limit)
    return Page([RecipientRow(id_, run.id, values) for id_, values in rows], place)
