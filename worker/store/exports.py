"""Every recipient of a run, streamed."""

from collections.abc import Iterator
from typing import Any, Final

import sqlalchemy as sa
from sqlmodel import Session, col

from worker.store.models import Recipient, Run

COLUMNS: Final = (
    "number",
    "state",
    "reason",
    "variant",
    "text",
    "segments",
    "gateway_id",
    "group_id",
    "device",
    "sim",
    "attempts",
    "planned_at",
    "accepted_at",
    "sent_at",
    "delivered_at",
)
"""The columns of an export, in this order: part of the contract with users."""


def export_rows(session: Session, run_id: int, *, at_once: int = 5_000) -> Iterator[tuple[Any, ...]]:
    """Rows in the order of the audience, one value for each of `COLUMNS`, `at_once` of them in memory."""
    fields: list[Any] = [Run.planned_at if name == "planned_at" else getattr(Recipient, name) for name in COLUMNS]
    query = (
        sa.select(*fields)
        .join(Run, col(Run.id) == col(Recipient.run_id))
        .where(col(Recipient.run_id) == run_id)
        .order_by(col(Recipient.id))
        .execution_options(yield_per=at_once)
    )
    for row in session.execute(query):
        yield tuple(row)
