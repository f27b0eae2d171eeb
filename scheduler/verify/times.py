"""Moments, as findings show them."""

from datetime import UTC, datetime


def shown(at: datetime | None) -> str:
    """Return a moment in UTC, to the millisecond."""
    if at is None:
        return "no time"
    return at.astimezone(UTC).isoformat(sep=" ", timespec="milliseconds").removesuffix("+00:00") + " UTC"
