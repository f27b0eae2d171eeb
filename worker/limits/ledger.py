"""What the database says was granted: the start for a throttle that has no record of its own."""

from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa

from worker.limits.batch_limits import ANY_DEVICE, PRIMARY_DEVICE
from worker.limits.planned_limits import LimitScope
from worker.store.engine import Store
from worker.store.sending import grants
from worker.throttle import Granted, Limit, RateLimit

FINE: Final = timedelta(minutes=1)
"""Windows up to this are read by the millisecond, longer ones by the second: a thousandth of the window or less."""


class StoreLedger:
    """A throttle's `Ledger` over the attempts of one account."""

    def __init__(self, store: Store, account_id: int) -> None:
        self._store = store
        self._account_id = account_id

    def __call__(self, limit: Limit, now: datetime) -> list[Granted]:
        """Return the grants of a limit of `worker.limits.batch_limits` that count at `now`."""
        whose = self._whose(limit.key)
        with self._store.read() as session:
            if isinstance(limit, RateLimit):
                since = now - limit.per
                return grants.granted_since(session, whose, since=since, by_second=limit.per > FINE)
            spent = grants.granted_sum(session, whose, since=limit.starts_at, until=limit.ends_at)
            return [(now, spent)]

    def _whose(self, key: str) -> sa.ColumnElement[bool]:
        scope, _, name = key.partition(":")
        match LimitScope(scope):
            case LimitScope.ACCOUNT:
                return grants.of_account(self._account_id)
            case LimitScope.RUN:
                return grants.of_run(int(name))
            case LimitScope.DEVICE:
                device = name.partition(":")[2]
                if device == ANY_DEVICE:
                    return grants.of_any_target(self._account_id)
                return grants.of_target(self._account_id, grants.NO_TARGET if device == PRIMARY_DEVICE else device)
