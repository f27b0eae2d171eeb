"""The campaign file as typed, immutable values: exactly the keys that users may write."""

import hashlib
import json
import re
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, PrivateAttr, ValidationInfo, ValidatorFunctionWrapHandler, field_validator
from pydantic_core import PydanticCustomError

from campaigns.codes import RunType
from campaigns.definition.devices import Devices
from campaigns.definition.part import Part
from campaigns.definition.schedule import Schedule
from campaigns.definition.sources import (
    MAX_SOURCES,
    CampaignSource,
    ContactListSource,
    ExcludedFile,
    FileSource,
    Source,
    TaggedSource,
    as_list,
    at_most,
    not_empty,
)
from campaigns.definition.steps import Steps
from campaigns.definition.variants import Variants
from campaigns.money.amounts import Money
from campaigns.values.addresses import WebAddress
from campaigns.values.durations import Duration
from campaigns.values.rates import RateLimit
from campaigns.values.scalars import Cell, Flag, Scalar, Text, choice, refuse, shown, whole_number
from campaigns.values.slugs import Slug


class Kind(StrEnum):
    """What a campaign is for. It decides who goes first, which texts a cap counts, and which opt-outs apply."""

    MARKETING = "marketing"  # may wait
    REMINDER = "reminder"  # is worthless after its moment
    TRANSACTIONAL = "transactional"  # somebody waits for it


class OnUnknown(StrEnum):
    """What becomes of a text that was never confirmed and that the gateway does not know."""

    RECONCILE = "reconcile"  # it is sent again, at most three times, and then held
    HOLD = "hold"  # a person decides
    RESEND = "resend"  # it is sent again at once


class TextEncoding(StrEnum):
    """Which characters of a text may become those of the GSM alphabet, if the text then takes fewer segments."""

    AS_IS = "as_is"
    GSM = "gsm"  # quotes, dashes, spaces and the like; never a letter
    GSM_PLAIN = "gsm_plain"  # those, and letters without their accents


def read_region(text: str) -> str:
    """Return the country's two letters (ISO 3166). Also used for the setting."""
    import phonenumbers  # 12 ms that settings without a region do not need

    region = text.upper()
    if region in phonenumbers.SUPPORTED_REGIONS:
        return region
    hint = "write GB for the United Kingdom" if region == "UK" else "write two letters, such as IT for Italy"
    return refuse(f"is not a country code of ISO 3166: {shown(text)}", hint)


def _read_batch_size(text: str) -> int | None:
    if text.casefold() == "auto":
        return None
    if re.fullmatch("[0-9]{1,9}", text) and 1 <= int(text) <= 500:
        return int(text)
    return refuse(f"must be auto or a whole number from 1 to 500, not {shown(text)}")


def _without_default(schema: dict[str, Any]) -> None:
    schema.pop("default")


Region = Annotated[str, Scalar(str, read_region, str, {"type": ["string", "boolean"], "pattern": "^[A-Za-z]{2}$"})]
BatchSize = Annotated[
    int | None,
    Scalar(
        int,
        _read_batch_size,
        lambda size: size,
        {
            "anyOf": [
                {"type": "integer", "minimum": 1, "maximum": 500},
                {"type": "string", "pattern": "^(auto|[0-9]+)$"},
            ]
        },
    ),
]


class CampaignBudget(Part):
    """How much money a campaign may cost, by the prices of the installation."""

    total: Money | None = Field(None, description="In all, over all of its runs.", examples=["500 EUR"])
    daily: Money | None = Field(None, description="A day, in the campaign's zone.", examples=["40 EUR"])


class Throughput(Part):
    """How fast texts may leave, counted in SMS segments."""

    rate: RateLimit = Field(
        None, description="The campaign's own limit: n/second, n/minute, n/hour, or none.", examples=["30/minute"]
    )
    daily: Annotated[int, whole_number(1, 10_000_000)] | None = Field(
        None, description="Segments a day, in the campaign's zone.", examples=[500]
    )
    monthly: Annotated[int, whole_number(1, 10_000_000)] | None = Field(
        None, description="Segments a calendar month, in the campaign's zone.", examples=[10_000]
    )
    budget: CampaignBudget | None = Field(None, description="How much money may be spent.")
    batch_size: BatchSize = Field(None, description="Messages per request: auto, or 1 to 500.", examples=["auto", 100])


class OverCap(StrEnum):
    """What becomes of a person who has reached the cap."""

    SKIP = "skip"  # they get nothing from this campaign
    DEFER = "defer"  # they get it as soon as the cap allows


class FrequencyCap(Part):
    """How often one person may be texted, across all campaigns of the same kind."""

    messages: Annotated[int, whole_number(1, 1000)] = Field(description="At most this many texts.", examples=[2])
    per: Duration = Field(description="Within any period of this length.", examples=["7d"])
    otherwise: Annotated[OverCap, choice(OverCap)] = Field(
        OverCap.SKIP,
        description="Skip people who had that many, or send to them when the oldest no longer counts.",
        examples=["skip"],
    )


class RetryFailed(Part):
    """How texts that the phone reported as failed are tried again."""

    times: Annotated[int, whole_number(1, 5)] = Field(description="How many times.", examples=[1])
    after: Duration = Field(description="How long after the failure.", examples=["30m"])


class Follow(Part):
    """How texts are followed after the gateway has accepted them."""

    until: Duration = Field(timedelta(hours=72), description="How long to wait for receipts.", examples=["72h"])
    retry_failed: RetryFailed | None = Field(None, description="Retry texts that the phone reported as failed.")
    on_unknown: Annotated[OnUnknown, choice(OnUnknown)] = Field(
        OnUnknown.RECONCILE, description="When a request's outcome stays unknown.", examples=["reconcile"]
    )


class Report(Part):
    """Who is notified about the run."""

    webhook: WebAddress | None = Field(
        None,
        description="An address that is called when the run starts, pauses, needs a person or completes.",
        examples=["https://example.com/hook"],
    )


class Definition(Part):
    """One campaign file, checked and merged with the team's defaults."""

    campaign: Slug = Field(description="The identity of the campaign.", examples=["spring-sale"])
    description: Cell = Field("", description="For people; it is never sent.", examples=["Spring sale, all shops"])
    kind: Annotated[Kind, choice(Kind)] = Field(
        Kind.MARKETING,
        description="What it is for: decides who goes first and which caps and opt-outs apply.",
        examples=["marketing"],
    )
    variants: Variants = Field((), description="Several texts instead of one, split by share.")
    message: Text = Field(
        None,
        validate_default=True,  # it may be missing only if there are variants
        description="The text, with {{ fields }} of the audience.",
        examples=['Hi {{ first_name | default("there") }}, see you tomorrow.'],
        json_schema_extra=_without_default,
    )
    steps: Steps = Field((), description="Later texts to the same people, in order.")
    encoding: Annotated[TextEncoding, choice(TextEncoding)] = Field(
        TextEncoding.AS_IS,
        description="Characters outside the GSM alphabet: as they are, or replaced where that saves segments.",
        examples=["gsm"],
    )
    holdout: Annotated[int, whole_number(0, 99)] = Field(
        0, description="Percent kept as a control group, never sent to.", examples=[5]
    )
    audience: Annotated[
        tuple[TaggedSource, ...],
        BeforeValidator(not_empty),
        BeforeValidator(at_most(MAX_SOURCES)),
        BeforeValidator(as_list, json_schema_input_type=tuple[Source, ...] | Source),
    ] = Field(
        description="Sources, merged in order; one text per number.",
        examples=[[{"file": "customers.csv", "number": "phone"}]],
    )
    exclude: Annotated[
        tuple[ExcludedFile, ...],
        BeforeValidator(at_most(MAX_SOURCES)),
        BeforeValidator(as_list, json_schema_input_type=tuple[ExcludedFile, ...] | ExcludedFile),
    ] = Field((), description="Files with numbers that get nothing.", examples=[[{"file": "already-bought.csv"}]])
    default_region: Region | None = Field(
        None, description="The country of numbers written without +country (ISO 3166).", examples=["IT"]
    )
    mobile_only: Flag = Field(False, description="Landlines get nothing: their rows are invalid.")
    schedule: Schedule = Field(Schedule(), description="When it starts, and at which times it may send.")
    throughput: Throughput = Field(Throughput(), description="How fast texts may leave, in SMS segments.")
    frequency_cap: FrequencyCap | None = Field(None, description="Per person, over all campaigns of the same kind.")
    devices: Devices = Field(Devices(), description="The phones that send.")
    follow: Follow = Field(Follow(), description="How texts are followed after sending.")
    approval: Flag = Field(False, description="Send nothing until somebody approves exactly this plan.")
    report: Report = Field(Report(), description="Who is notified of how the run goes.")

    _folder: Path = PrivateAttr(default=Path())

    @field_validator("message", mode="wrap")
    @classmethod
    def _or_variants(cls, message: object, read: ValidatorFunctionWrapHandler, info: ValidationInfo) -> str:
        variants = info.data.get("variants")  # absent if they are wrong, which is reported already
        if variants == () and message is None:
            raise PydanticCustomError("missing", "missing")
        if variants and message:
            refuse("cannot be used with `variants`", "remove one of the two; each variant has a message of its own")
        return str(read(message)) if message or variants == () else ""

    @field_validator("audience")
    @classmethod
    def _is_one_list_or_ours(cls, audience: tuple[Source, ...]) -> tuple[Source, ...]:
        if len(audience) > 1 and any(isinstance(source, ContactListSource) for source in audience):
            why = "the gateway does not reveal its numbers, so they cannot be compared with those of other sources"
            refuse(f"has a contact list and other sources: {why}", "split it into two campaigns")
        return audience

    @property
    def folder(self) -> Path:
        """The folder of the campaign file, in which its files are found. Not part of JSON or hash."""
        return self._folder

    def in_folder(self, folder: Path) -> Self:
        """Return the same definition with its files read from `folder`."""
        copy = self.model_copy()
        copy._folder = folder
        return copy

    @property
    def run_type(self) -> RunType:
        """The type of its runs: a single run, repeated runs, or days of reminders."""
        if self.schedule.remind is not None:
            return RunType.REMINDER_DAY
        return RunType.ONCE if self.schedule.repeat is None else RunType.FIRING

    @property
    def contact_list(self) -> int | None:
        """The contact list that it goes to, if any. It is then the only source."""
        first = self.audience[0]
        return first.contact_list if isinstance(first, ContactListSource) else None

    @property
    def is_frozen(self) -> bool:
        """Whether its plan stays until the file is edited: it has people of earlier campaigns, and reads no table."""
        has_tables = self.exclude or any(isinstance(source, FileSource) for source in self.audience)
        return not has_tables and any(isinstance(source, CampaignSource) for source in self.audience)

    @property
    def messages(self) -> dict[str, str]:
        """The text of each variant by its name. A campaign with one text has just that, under an empty name."""
        return {variant.name: variant.message for variant in self.variants} or {"": self.message}

    @property
    def is_split(self) -> bool:
        """Whether its people are divided into variants or a control group."""
        return bool(self.variants or self.holdout)

    @property
    def content_hash(self) -> str:
        """SHA-256, in hex, of what the file and the defaults say. Keys at their default do not count."""
        # Because defaults are excluded, a key that a later version adds does not make every campaign look edited.
        content = self.model_dump(mode="json", exclude_defaults=True)
        canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(canonical.encode()).hexdigest()
