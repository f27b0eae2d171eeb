"""What happened, kept for whoever asks later."""

from datetime import datetime
from typing import Any

from sqlmodel import Session

from worker.store.models import Event


def record_event(
    session: Session,
    name: str,
    now: datetime,
    *,
    run_id: int | None = None,
    batch_id: int | None = None,
    attempt_id: int | None = None,
    detail: dict[str, Any] | None = None,
) -> None:
    """Keep what happened, for whoever asks later."""
    session.add(Event(at=now, name=name, run_id=run_id, batch_id=batch_id, attempt_id=attempt_id, detail=detail or {}))
