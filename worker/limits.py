"""Which limits a batch has to keep, on each of the ways that it can go."""

from dataclasses import dataclass
from typing import Final

from campaigns.definition import Definition, DeviceMode
from worker.settings import Settings
from worker.throttle import Level

PRIMARY_DEVICE: Final = "primary"
"""The level of requests that name no device: the gateway takes its primary one."""


@dataclass(frozen=True, slots=True)
class Route:
    """One way a batch can go: the devices named in the request, and the level that limits them."""

    targets: tuple[str, ...]
    level_key: str


def routes(definition: Definition, *, first: int) -> list[Route]:
    """The ways a batch of this campaign can go, the preferred one first: devices take turns, from number `first` on.

    With `mode: specified` every batch goes to one device or SIM, so that its limit is ours to keep. `random` and the
    modes over all devices leave the choice to the gateway: those requests share one level, as if of one device.
    """
    devices = definition.devices
    targets = [str(target) for target in devices.use]
    if devices.random or devices.mode is not DeviceMode.SPECIFIED:
        return [Route(tuple(targets), "any")]
    if not targets:
        return [Route((), PRIMARY_DEVICE)]
    turn = first % len(targets)
    return [Route((target,), target) for target in targets[turn:] + targets[:turn]]


def levels(settings: Settings, account_key: str, definition: Definition, run_id: int, route: Route) -> list[Level]:
    """The levels of account, campaign and device that a batch takes its segments from, where they have a rate."""
    rates = (
        (f"account:{account_key}", settings.rate),
        (f"run:{run_id}", definition.throughput.rate),
        (f"device:{account_key}:{route.level_key}", settings.device_rate),
    )
    return [Level(key, rate.count, rate.per) for key, rate in rates if rate is not None]
