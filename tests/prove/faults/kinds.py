"""The table of faults: one world for each."""

from collections.abc import Sequence
from typing import Final

from tests.prove.faults import clocks, crowds, databases, disks, gateways, queues, shares
from tests.prove.faults.trial import Fault

FAULTS: Final[Sequence[type[Fault]]] = (
    disks.FullDisk,
    disks.FullDiskOfPostgres,
    disks.ReadOnlyDisk,
    disks.ReadOnlyDiskOfPostgres,
    databases.FailOver,
    databases.FailOverBehind,
    databases.PoolerKilled,
    queues.RedisFull,
    queues.RedisDrops,
    clocks.ClockSteps,
    clocks.MachineStopped,
    clocks.WorkersStopped,
    gateways.GatewayReinstalled,
    shares.SlowShare,
    crowds.MillionFiles,
)
