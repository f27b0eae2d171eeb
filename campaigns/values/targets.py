"""Which phone, and which of its SIMs, sends a text: `1`, `2|0`."""

import re
from dataclasses import dataclass
from typing import Annotated

from campaigns.values.scalars import Scalar, refuse, shown


@dataclass(frozen=True, slots=True)
class Target:
    """A device, by its id at the gateway, and a SIM slot (from 0), or None for its default SIM."""

    device: int
    slot: int | None = None

    def __str__(self) -> str:
        return str(self.device) if self.slot is None else f"{self.device}|{self.slot}"


def parse_target(text: str) -> Target:
    """Parse a target. Raises ValueError."""
    match = re.fullmatch(r"([1-9]\d{0,9})(?:\|(\d))?", text, re.ASCII)
    if not match:
        hint = 'write 1 for a device, "2|0" for its first SIM; leave `use` out for the primary device'
        refuse(f"must be a device id, or an id and a SIM slot, not {shown(text)}", hint)
    return Target(int(match[1]), None if match[2] is None else int(match[2]))


DeviceTarget = Annotated[
    Target,
    Scalar(
        Target, parse_target, str, {"type": ["integer", "string"], "minimum": 1, "pattern": r"^[1-9][0-9]*(\|[0-9])?$"}
    ),
]
