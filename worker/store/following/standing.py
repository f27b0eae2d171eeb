"""Which row of a person counts where their number has several: it is in a table twice, or a reminder was planned again.

Whoever resends, plans to, shows or exports asks here, and so does the last look before a request.
"""

from typing import Any, Final

import sqlalchemy as sa

from campaigns.lifecycle import NEVER_LEFT, NEVER_SENT, RecipientState
from worker.store.tables import recipients

_UNSENT: Final = tuple(sorted(NEVER_SENT | {RecipientState.CANCELLED, RecipientState.SKIPPED}))


def may_have_text(row: sa.FromClause) -> sa.ColumnElement[bool]:
    """Match rows whose text has not failed, and was sent, or may have been or may still be."""
    was_left_out: Any = sa.and_(row.c.state.in_(_UNSENT), row.c.attempts == 0, row.c.gateway_id.is_(None))
    return sa.and_(row.c.state != RecipientState.FAILED, ~was_left_out)


LEFT_AT: Final = sa.case((recipients.c.state.in_(sorted(NEVER_LEFT)), None), else_=recipients.c.sent_at)
"""When a phone sent a text. The date that the gateway shows for one that failed or was cancelled is that of its end."""


def counts_as_failed() -> sa.ColumnElement[bool]:
    """Match failed rows that count for their person in their run: none of their others may have the text, and of
    several that failed, it is the first."""
    other = recipients.alias()
    failed_first = sa.and_(other.c.state == RecipientState.FAILED, other.c.occurrence < recipients.c.occurrence)
    return ~sa.exists().where(
        other.c.run_id == recipients.c.run_id,
        other.c.number == recipients.c.number,
        other.c.slot == recipients.c.slot,
        other.c.id != recipients.c.id,
        sa.or_(may_have_text(other), failed_first),
    )
