"""Where recipients come from: files, the campaign file itself, earlier campaigns, or a contact list at the gateway."""

from collections.abc import Callable, Mapping
from itertools import chain
from typing import Annotated, Any, Final, TypeAlias

from pydantic import BeforeValidator, Discriminator, Field, Tag, WithJsonSchema
from pydantic.json_schema import SkipJsonSchema

from campaigns.definition.part import Part
from campaigns.values.scalars import TEXTS, Cell, Text, nearest, refuse, whole_number
from campaigns.values.slugs import Slug


def as_list(value: Any) -> Any:
    """Return a single entry as a list of one: people omit the hyphen if there is only one."""
    return value if isinstance(value, list | tuple) or value is None else [value]


def at_most(entries: int) -> Callable[[Any], Any]:
    """Return a validator that refuses a longer list before looking at any of its entries."""

    def bounded(value: Any) -> Any:
        if isinstance(value, list | tuple) and len(value) > entries:
            refuse(f"has {len(value):,} entries, but at most {entries:,} are allowed", "leave some out, or join them")
        return value

    return bounded


MAX_SOURCES: Final = 100
"""The most tables of a campaign. The numbers of excluded tables are kept in memory during planning."""

MAX_ENTRIES: Final = 1_000
"""The most entries of any other list, except recipients and phones."""


def not_empty(value: Any) -> Any:
    """Refuse an empty list. (Pydantic's own `min_length` also counts invalid entries as absent.)"""
    if isinstance(value, list | tuple) and not value:
        refuse("has no entries", "add one")
    return value


Where: TypeAlias = Annotated[
    Text | None,
    Field(
        description="Who of them is in the audience: a condition over the fields, as in the {{ }} of a message.",
        examples=['country == "IT" and points | int > 100'],
    ),
]


class ExcludedFile(Part):
    """A table of people who get nothing."""

    file: Text = Field(
        description="A .csv, .tsv, .jsonl or .xlsx file, relative to the campaign file and inside its folder.",
        examples=["customers.csv"],
    )
    number: Text = Field("number", description="The column that holds the phone number.", examples=["phone"])


class FileSource(ExcludedFile):
    """A table beside the campaign file."""

    where: Where = None


def _read_recipient(value: object) -> object:
    """Return a recipient without its empty fields. Anything but a mapping is left for the model to refuse."""
    if not isinstance(value, dict):
        return value
    if not isinstance(value.get("number"), str) or not value["number"].strip():
        refuse("has no number", 'write it as number: "+39 333 123 4567"')
    return {key: item for key, item in value.items() if item is not None}


Recipient = Annotated[
    dict[str, Cell],
    BeforeValidator(_read_recipient),
    WithJsonSchema(
        {
            "type": "object",
            "required": ["number"],
            "properties": {"number": {"type": ["string", "integer"]}},
            "additionalProperties": {"type": [*TEXTS, "null"]},
        }
    ),
]
"""One person: `number`, and the fields that the message may use."""


class InlineSource(Part):
    """Recipients written in the campaign file itself."""

    recipients: Annotated[tuple[Recipient, ...], BeforeValidator(not_empty)] = Field(
        description="Each with `number`, and the fields that the message uses.",
        examples=[[{"number": "+39 333 123 4567", "first_name": "Anna"}]],
    )
    where: Where = None


class CampaignSource(Part):
    """The people of an earlier campaign, as they are when this one is planned."""

    campaign: Slug = Field(
        description="The name of a campaign that has run: its people, with what became of their texts.",
        examples=["spring-sale"],
    )
    where: Annotated[
        Where,
        Field(
            description="Who of them: state, replied, opted_out, variant, delivered_at and number.",
            examples=['state == "delivered" and not replied'],
        ),
    ] = None


class ContactListSource(Part):
    """A list kept by the gateway: one request, sent by its id; no fields, no exclusions."""

    contact_list: Annotated[int, whole_number(1, 2_147_483_647)] = Field(
        description="The id of the list at the gateway.", examples=[12]
    )
    where: SkipJsonSchema[Where] = None  # a check refuses it, with all else that a list cannot have


KINDS: Final[Mapping[str, str]] = {
    "file": FileSource.__name__,
    "recipients": InlineSource.__name__,
    "contact_list": ContactListSource.__name__,
    "campaign": CampaignSource.__name__,
}
"""The key that identifies the kind of source -> its class."""


def _kind(value: object) -> str:
    """Return the kind of source that the author meant, even if the key is misspelt."""
    if isinstance(value, Part):
        return type(value).__name__
    keys = [str(key) for key in value] if isinstance(value, dict) else []
    for key in chain(keys, (nearest(key, list(KINDS)) for key in keys)):  # the second only if needed: it is slow
        if key in KINDS:
            return KINDS[key]
    return FileSource.__name__


Source: TypeAlias = FileSource | InlineSource | CampaignSource | ContactListSource
TaggedSource = Annotated[
    Annotated[FileSource, Tag("FileSource")]
    | Annotated[InlineSource, Tag("InlineSource")]
    | Annotated[CampaignSource, Tag("CampaignSource")]
    | Annotated[ContactListSource, Tag("ContactListSource")],
    Discriminator(_kind),
]
