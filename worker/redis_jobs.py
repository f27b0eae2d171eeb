"""The queue over Redis. Apart from `worker.jobs`, because 180 modules of redis-py come with it."""

from collections.abc import Callable
from typing import Any, Final

import dramatiq
import redis
from dramatiq.brokers.redis import RedisBroker
from redis.backoff import NoBackoff
from redis.retry import Retry

from worker.jobs import QUEUES, JobQueue
from worker.servers.conditions import Trouble, trouble_of
from worker.servers.troubles import Troubles

NAMESPACE: Final = "campaigns"

QUEUE: Final = "queue"
"""The name under which troubles of the shared queue are reported."""


class QueueTrouble(redis.ConnectionError):
    """Redis answers but refuses, for some time: for Dramatiq this is the same as no connection.

    It retries what failed for lack of a connection. Any other error ended its threads, or lost an acknowledgement.
    """

    def __init__(self, error: redis.RedisError, trouble: Trouble) -> None:
        super().__init__(str(error))
        self.trouble = trouble


class _QueueClient(redis.Redis):
    """A client that reports its troubles: an idle worker asks ten times a second, so their end shows as well."""

    def __init__(self, troubles: Troubles, pool: redis.ConnectionPool) -> None:
        super().__init__(connection_pool=pool)
        self._troubles = troubles

    def execute_command(self, *args: Any, **options: Any) -> Any:
        try:
            answer = super().execute_command(*args, **options)  # type: ignore[no-untyped-call]  # untyped in redis-py
        except redis.RedisError as error:
            trouble = trouble_of(error)
            if trouble is None:
                raise
            self._troubles.failed(QUEUE, error)
            raise QueueTrouble(error, trouble) from error
        self._troubles.worked(QUEUE)
        return answer


def redis_queue(url: str, send_batch: Callable[[int], object], troubles: Troubles) -> JobQueue:
    """The queue over Redis, shared by any number of schedulers and workers."""
    # redis-py's own 5 s timeout and retries left jobs stuck in live workers after a 7 s stall (measured): a long socket
    # timeout, no retries below dramatiq's, a heartbeat well above the poll.
    pool = redis.ConnectionPool.from_url(
        url, socket_timeout=60, socket_connect_timeout=5, retry=Retry(NoBackoff(), 0), health_check_interval=30
    )
    client = _QueueClient(troubles, pool)
    broker: dramatiq.Broker = RedisBroker(  # type: ignore[no-untyped-call]  # dramatiq leaves its constructor untyped
        client=client, middleware=[], namespace=NAMESPACE, heartbeat_timeout=15_000, maintenance_chance=1_000_000
    )

    def outstanding() -> int | None:
        try:
            # Dramatiq keeps a job here until a worker is done with it, whichever worker has it.
            counts = [client.hlen(f"{NAMESPACE}:{name}.msgs") for name in QUEUES.values()]
        except redis.RedisError:
            return None
        return sum(counts)

    # Dramatiq leaves its connections to the garbage collector.
    return JobQueue(broker, send_batch, outstanding, troubles, is_shared=True, release=pool.disconnect)
