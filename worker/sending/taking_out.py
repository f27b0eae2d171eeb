"""People of a batch who get nothing now: they got it before a database was lost, or are over the frequency cap."""

from sqlalchemy.exc import IntegrityError

from campaigns.clock import Clock
from campaigns.planning.frequency_cap import Cap
from worker.logs import get_logger
from worker.sending.capping import without_capped
from worker.store.engine import Store
from worker.store.sending import accepted_before
from worker.store.sending.claim import Work, load_work
from worker.store.sending.intent import FoundMatch


class TakingOut:
    """Takes people out of a batch before it takes a slot."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def of(self, work: Work, cap: Cap | None, earlier: FoundMatch) -> Work | None:
        """Return the batch without them; None: nobody is left who may be sent to now."""
        left = self._without_sent_before(work, earlier) if work.has_before else work
        return left if left is None or cap is None else without_capped(self._store, self._clock, left, cap)

    def _without_sent_before(self, work: Work, earlier: FoundMatch) -> Work | None:
        """Take out people who got the text before a database was lost, or return None. The intent asks again."""
        if work.list_id is not None:
            return work
        now = self._clock.now()
        try:
            with self._store.write("accepted_before") as session:
                settled = accepted_before.settle_waiting(
                    session,
                    work.batch_id,
                    work.account_id,
                    earlier.since,
                    now=now,
                    first_poll_at=now + earlier.first_poll_in,
                )
        except IntegrityError:
            return work  # a number was just put in doubt elsewhere: the intent leaves it out
        if not settled:
            return work
        get_logger().info("batch.sent_before", batch=work.batch_id, recipients=settled)
        with self._store.look() as connection:
            return load_work(connection, work.batch_id)
