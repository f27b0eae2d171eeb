"""The queue: Dramatiq jobs with one batch id each, in process or over Redis (`.redis_jobs`).

Only a hint: the database is the truth.
"""

import gc
import logging
from collections.abc import Callable, Iterable
from typing import Final

import dramatiq
from dramatiq.brokers.stub import StubBroker

from campaigns.definition import Kind
from worker.servers.troubles import Troubles

QUEUES: Final = {
    Kind.TRANSACTIONAL: "sends_transactional",
    Kind.REMINDER: "sends_reminder",
    Kind.MARKETING: "sends_marketing",
}
"""One queue per kind, the most urgent first. Within one queue a worker cannot overtake: it only sees the few jobs that
it fetched. From several it fetches some of each, and takes the most urgent."""
PICK_UP_MILLISECONDS: Final = 100
"""How often an idle worker looks: 24 ms median to pick up a job for 2.8 % of a core (dramatiq's 1000: 222 ms)."""

IN_PROCESS_MILLISECONDS: Final = 250
"""The same for a queue of this process, where a job wakes its thread at once: looking only notices a stop, and with 100
it was a fifth of what an idle service costs."""

STOP_MILLISECONDS: Final = 25_000
"""How long a stop waits for requests that are under way: the process has 28 s for the whole stop."""


class JobQueue:
    """Puts batch ids into the queue, and works on them once `work` was called."""

    def __init__(
        self,
        broker: dramatiq.Broker,
        send_batch: Callable[[int], object],
        outstanding: Callable[[], int | None] = lambda: None,
        troubles: Troubles | None = None,
        *,
        is_shared: bool = False,
        release: Callable[[], None] = lambda: None,
    ) -> None:
        """`outstanding` becomes the method of that name; failed jobs are reported to `troubles`.

        `is_shared`: other processes take jobs from it, too. `release`: called when it has stopped.
        """
        self._broker = broker
        self._release = release
        self.is_shared = is_shared
        troubles = troubles or Troubles()
        self.outstanding = outstanding
        self._worker: dramatiq.Worker | None = None

        def send(batch_id: int) -> None:
            # A job never fails: what went wrong is in the database or will be found there. Dramatiq must neither retry
            # a send nor keep its exception (the in-process broker keeps them for ever).
            try:
                send_batch(batch_id)
            except Exception as error:
                troubles.failed("job", error, event="job.failed", batch=batch_id)
            else:
                troubles.worked("job")

        # No time limit: an interrupt between the reply and its transaction would put the batch in doubt for nothing.
        self._actors = {
            kind: dramatiq.actor(actor_name=name, queue_name=name, broker=broker, priority=priority)(send)
            for priority, (kind, name) in enumerate(QUEUES.items())
        }

    def enqueue(self, batch_ids: Iterable[int], kind: Kind = Kind.MARKETING) -> int:
        """Put the batches of campaigns of one kind into the queue; return how many."""
        count = 0
        for batch_id in batch_ids:
            self._actors[kind].send(batch_id)
            count += 1
        return count

    @property
    def has_takers(self) -> bool:
        """Return whether anybody takes jobs that this process puts into it."""
        return self.is_shared or self._worker is not None

    def work(self, threads: int) -> None:
        """Start sending in `threads` threads of this process."""
        self._broker.emit_after("process_boot")
        # A full collection visits everything loaded: 175,000 objects in 125 ms, in the middle of a send.
        gc.freeze()
        pick_up = PICK_UP_MILLISECONDS if self.is_shared else IN_PROCESS_MILLISECONDS
        self._worker = dramatiq.Worker(self._broker, worker_threads=threads, worker_timeout=pick_up)
        self._worker.start()
        loggers = [self._worker.logger, *(each.logger for each in self._worker.workers)]
        loggers += [each.logger for each in self._worker.consumers.values()]
        for logger in loggers:
            logger.addFilter(_is_news)

    def is_alive(self) -> bool:
        """Return whether every thread that `work` started still runs; True if it was not called."""
        if self._worker is None:
            return True
        return all(thread.is_alive() for thread in (*self._worker.workers, *self._worker.consumers.values()))

    def stop(self) -> None:
        """Take no more jobs, and let the requests under way finish."""
        if self._worker is not None:
            self._worker.stop(timeout=STOP_MILLISECONDS)
            self._worker = None
            gc.unfreeze()
        self._broker.close()
        self._release()


def _is_news(record: logging.LogRecord) -> bool:
    """Drop Dramatiq's lines on a lost connection, one per thread every three seconds: `redis_jobs` reports it."""
    error = record.exc_info[1] if record.exc_info else None
    return error is not None and not isinstance(error, dramatiq.errors.BrokerConnectionError)


def in_process_queue(send_batch: Callable[[int], object], troubles: Troubles) -> JobQueue:
    """A queue inside this process."""
    return JobQueue(StubBroker(middleware=[], fail_fast_default=False), send_batch, troubles=troubles)
