"""What is kept of a request that did not end well: enough to judge it later, and nothing private."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

from campaigns.codes import FAILURE
from worker.gateway.connection import Exchange
from worker.gateway.errors import GatewayError
from worker.gateway.seen import Seen

_SHOWN_CHARACTERS: Final = 200
_RUN: Final = 8
"""If this many characters in a row also stand in a secret, they are no coincidence and are not shown."""
_SHORTEST_WAIT: Final = timedelta(seconds=1)
_LONGEST_WAIT: Final = timedelta(hours=1)


def progress_of(exchange: Exchange, error: type[GatewayError]) -> dict[str, object]:
    """Return the error's code, and how far the request got."""
    return {
        FAILURE: error.failure.value,
        "phase": exchange.phase.name.lower(),
        "bytes_written": exchange.bytes_written,
    }


def evidence_of(seen: Seen, error: type[GatewayError], exchange: Exchange, private: Iterable[str]) -> dict[str, object]:
    """Return progress and cause, and for a reply its status, length and fingerprints; ready for JSON.

    The gateway's own error text is kept with every digit masked and without anything from `private`: the texts and
    numbers of the request, and the key. The rest of a body is reduced to its SHA-256 (12 hex digits).
    """
    progress = progress_of(exchange, error)
    if seen.error is not None:
        return {**progress, "cause": type(seen.error).__name__}
    reply = {
        "status": seen.status,
        "body_bytes": seen.reply.bytes,
        "body_sha256": seen.reply.digest[:12],
    }
    if not seen.is_failure():
        return {**progress, **reply}
    gateway = {
        "error_code": seen.code,
        "error_text": _shown(seen.error_text, private),
        "error_fingerprint": seen.fingerprint,
    }
    return {**progress, **reply, **gateway}


def retry_after(header: str | None, now: datetime) -> timedelta | None:
    """Return the wait that a Retry-After header asks for (seconds or a date), kept within 1 s and 1 h, or None."""
    if header is None:
        return None
    header = header.strip()
    if header.isascii() and header.isdigit():
        wait = timedelta(seconds=int(header[:9]))
    else:
        try:
            until = parsedate_to_datetime(header)
            wait = (until if until.tzinfo else until.replace(tzinfo=UTC)) - now
        except (ValueError, TypeError, IndexError, OverflowError):
            return None
    return min(max(wait, _SHORTEST_WAIT), _LONGEST_WAIT)


def _shown(text: str, private: Iterable[str]) -> str:
    """Return the text with every digit masked and all of `private` removed, including parts and other spellings.

    A gateway may quote a text cut short, with other spaces or in capitals. So anything that shares 8 characters with a
    secret is removed (a shorter secret as a whole); spaces and case do not count.
    """
    text = text[:_SHOWN_CHARACTERS]
    places = [place for place, character in enumerate(text) if not character.isspace()]
    folded = "".join(text[place].lower()[:1] for place in places)
    secrets = [bare for secret in private if (bare := "".join(c.lower()[:1] for c in secret if not c.isspace()))]
    every = "\n".join(secrets)
    hidden: set[int] = set()
    for start in range(len(folded) - _RUN + 1):
        if folded[start : start + _RUN] in every:
            hidden.update(places[start : start + _RUN])
    for secret in {secret for secret in secrets if len(secret) < _RUN}:
        for found in re.finditer(re.escape(secret), folded):
            hidden.update(places[found.start() : found.end()])
    kept = "".join("\0" if place in hidden else character for place, character in enumerate(text))
    return re.sub(r"[0-9]", "#", re.sub("\0(?:\\s*\0)*", "[...]", kept.replace("\ufffd", "?")))
