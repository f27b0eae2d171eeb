"""Learns how far the gateway's clock is off, from the dates that it gives to our messages."""

from collections.abc import Collection
from datetime import timedelta

from worker.logs import get_logger
from worker.runtime import Runtime
from worker.store.following import clock_offsets
from worker.store.following.clock_offsets import Dated


def learn(runtime: Runtime, shown: Collection[Dated]) -> None:
    """Store what these messages show; log a change of the gateway's clock."""
    if not shown:
        return
    with runtime.store.read() as session:
        known = clock_offsets.known_offsets(session, runtime.account_id)
    found = clock_offsets.learned(known, shown)
    if found == known:
        return
    with runtime.store.write("clock_offsets") as session:
        clock_offsets.keep_offsets(session, runtime.account_id, found)
    before = known[0].ahead if known else timedelta(0)
    ahead = found[0].ahead
    if abs(ahead - before) < clock_offsets.ALIKE:
        return
    if ahead:
        says = (
            f"the gateway's clock is {clock_offsets.in_words(ahead)}: receipts, replies and requests in doubt are "
            "looked for by its dates; correct its clock and its time zone"
        )
        get_logger().warning("gateway.clock_off", seconds=ahead.total_seconds(), says=says)
    else:
        get_logger().info("gateway.clock_right", says="the gateway's clock agrees with this machine's again")
