"""The phones that send a campaign's texts, as its file names them."""

from collections import Counter
from enum import StrEnum
from functools import lru_cache
from typing import Annotated, Final

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator

from campaigns.definition.part import Part
from campaigns.definition.sources import as_list, at_most
from campaigns.sending.sticking import Ranking
from campaigns.values.scalars import Flag, choice, refuse
from campaigns.values.targets import DeviceTarget, Target


class DeviceMode(StrEnum):
    """Which phones share the texts of a campaign."""

    SPECIFIED = "specified"  # those in `use`, or the gateway's primary device
    ALL_DEVICES = "all_devices"  # every device, with its default SIM
    ALL_SIMS = "all_sims"  # every SIM of every device


class Stick(StrEnum):
    """What is always sent by the same phone."""

    RECIPIENT = "recipient"  # everything to one person, as long as that phone may send


MAX_TARGETS: Final = 10_000
"""The phones of one installation; for more, use `mode`."""


class Devices(Part):
    """The phones that send."""

    use: Annotated[
        tuple[DeviceTarget, ...],
        BeforeValidator(at_most(MAX_TARGETS)),
        BeforeValidator(as_list, json_schema_input_type=tuple[DeviceTarget, ...] | DeviceTarget),
    ] = Field((), description='Device ids, or "id|SIM slot"; without it the primary device.', examples=[[1, "2|0"]])
    mode: Annotated[DeviceMode, choice(DeviceMode)] = Field(
        DeviceMode.SPECIFIED, description="The devices in `use`, all devices, or all SIMs.", examples=["specified"]
    )
    random: Flag = Field(False, description="One of them, chosen by chance for each request, sends all its texts.")
    stick: Annotated[Stick, choice(Stick)] | None = Field(
        None, description="The same person is always texted by the same phone in `use`.", examples=["recipient"]
    )

    @field_validator("use")
    @classmethod
    def _names_each_once(cls, use: tuple[Target, ...]) -> tuple[Target, ...]:
        twice = next((target for target, count in Counter(use).items() if count > 1), None)
        if twice is not None:
            refuse(f"names {twice} more than once", "name each device or SIM once")
        return use

    @field_validator("mode")
    @classmethod
    def _fits_use(cls, mode: DeviceMode, info: ValidationInfo) -> DeviceMode:
        if mode is not DeviceMode.SPECIFIED and info.data.get("use"):
            refuse(f"contradicts `use`: {mode} takes every device", "remove `mode` or `use`")
        return mode

    @field_validator("random")
    @classmethod
    def _has_a_choice(cls, random: bool, info: ValidationInfo) -> bool:
        use, mode = info.data.get("use"), info.data.get("mode")
        if random and use is not None and len(use) < 2 and mode is DeviceMode.SPECIFIED:
            refuse("has nothing to choose from", "name two devices or more in `use`, or set mode: all_devices")
        return random

    @field_validator("stick")
    @classmethod
    def _has_the_choice(cls, stick: Stick | None, info: ValidationInfo) -> Stick | None:
        given = info.data
        if stick is not None and given.get("random"):
            refuse("contradicts `random`: the gateway chooses the phone of each request", "remove one of the two")
        if stick is not None and given.get("mode", DeviceMode.SPECIFIED) is not DeviceMode.SPECIFIED:
            refuse(f"contradicts mode: {given['mode']}: the gateway chooses the phones", "name the phones in `use`")
        return stick

    @property
    def ranking(self) -> Ranking | None:
        """How people rank these phones; None if nobody has a phone of their own, or there is no choice."""
        return _ranking(self.use) if self.stick and len(self.use) > 1 else None


@lru_cache(maxsize=32)
def _ranking(use: tuple[Target, ...]) -> Ranking:
    """Every request asks for it."""
    return Ranking([str(target) for target in use])
