"""People over a frequency cap are taken out of their batch before a slot is taken."""

from campaigns.clock import Clock
from campaigns.planning.frequency_cap import Cap
from worker.store.engine import Store
from worker.store.sending import frequency_caps
from worker.store.sending.claim import Work, load_work


def without_capped(store: Store, clock: Clock, work: Work, cap: Cap) -> Work | None:
    """Take out people who are over the cap; return None if nobody is left. The intent asks again, and decides.

    This comes before a slot is taken: a rate gives none back, and an audience that is mostly capped would crawl.
    """
    with store.read() as session:
        if not frequency_caps.any_over(session, work.batch_id, work.account_id, cap, now=clock.now()):
            return work
    with store.write("cap") as session:
        if not frequency_caps.keep_cap(session, work.batch_id, work.account_id, cap, now=clock.now()):
            return None
        return load_work(session, work.batch_id)
