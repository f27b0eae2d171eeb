"""The kinds of campaigns that an opt-out can be for."""

from campaigns.definition import Kind
from scheduler.actions.refusals import Refusal, Refused


def known_kind(kind: str | None) -> str:
    """Return the kind of campaigns; empty for any. Raises `Refused` for an unknown word."""
    if kind and kind not in set(Kind):
        raise Refused(Refusal.INVALID, f"there is no kind {kind}; use one of {', '.join(Kind)}")
    return kind or ""
