"""Which device and SIM a message goes to."""

import json
from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType
from typing import Final, NamedTuple

from worker.sandbox.errors import ApiError, invalid_request
from worker.sandbox.forms import whole_number

PRIMARY_DEVICE: Final = 1
DEVICES: Final[Mapping[int, tuple[int, ...]]] = MappingProxyType({1: (0, 1), 2: (0, 1)})
"""The sandbox's phones and the slots of their SIM cards."""


class Option(IntEnum):
    """The form field `option`."""

    SPECIFIED = 0
    ALL_DEVICES = 1
    ALL_SIMS = 2


class Target(NamedTuple):
    """A device, and one of its SIM slots or None for its default SIM."""

    device: int
    slot: int | None


def parse_targets(devices: str, option: str) -> tuple[Target, ...]:
    """Return the targets among which a request's messages are split.

    `devices` is one id (`1`, `2|0`) or a JSON list of them; empty or `0` means the primary device. It is ignored if
    `option` says all devices or all SIMs. Raises `ApiError` for anything that does not exist or cannot be understood.
    """
    chosen = whole_number(option or "0")
    if chosen == Option.ALL_DEVICES:
        return tuple(Target(device, None) for device in DEVICES)
    if chosen == Option.ALL_SIMS:
        return tuple(Target(device, slot) for device, slots in DEVICES.items() for slot in slots)
    if chosen != Option.SPECIFIED:
        raise invalid_request()
    targets = tuple(_parse_target(entry) for entry in _entries(devices))
    return targets or (Target(PRIMARY_DEVICE, None),)


def _entries(devices: str) -> list[str]:
    text = devices.strip()
    if not text:
        return []
    if not text.startswith(("[", '"')):
        return [text]
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError):
        raise invalid_request() from None
    entries = parsed if isinstance(parsed, list) else [parsed]
    if not all(isinstance(entry, int | str) for entry in entries):
        raise invalid_request()
    return [str(entry) for entry in entries]


def _parse_target(entry: str) -> Target:
    device_text, has_slot, slot_text = entry.partition("|")
    device = whole_number(device_text)
    slot = whole_number(slot_text) if has_slot else None
    if device is None or (has_slot and slot is None):
        raise invalid_request()
    device = device or PRIMARY_DEVICE
    if device not in DEVICES:
        raise ApiError(500, "This device doesn't exist.")
    if slot is not None and slot not in DEVICES[device]:
        raise ApiError(500, f"There is no SIM card present on slot index {slot}.")
    return Target(device, slot)
