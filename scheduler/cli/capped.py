"""Who is over a frequency cap now, as far as the database knows: what `campaigns plan` asks."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime

from sqlalchemy.exc import DBAPIError

from campaigns.capping import cap_of
from campaigns.definition import Definition
from scheduler.cli.reading import existing_store
from worker.runtime import SANDBOX_ACCOUNT, account_fingerprint
from worker.settings import Settings
from worker.store.accounts import accounts_by_key
from worker.store.capping import count_over


@contextmanager
def capped_now(
    definition: Definition, settings: Settings, *, rehearsal: bool, now: datetime
) -> Iterator[Callable[[Sequence[str]], int] | None]:
    """How many of some numbers are over the campaign's cap; None: it has none, or the database does not answer.

    Where nothing was ever sent through the account, nobody is.
    """
    cap = cap_of(definition)
    if cap is None:
        yield None
        return
    account_key = SANDBOX_ACCOUNT if rehearsal else account_fingerprint(settings.gateway_url)
    with ExitStack() as opened:
        try:
            store = opened.enter_context(existing_store(settings))
            session = opened.enter_context(store.read()) if store else None
            account_id = accounts_by_key(session).get(account_key, 0) if session else 0
        except DBAPIError:
            yield None
            return
        yield lambda numbers: count_over(session, numbers, account_id, cap, now=now) if session else 0
