"""The campaign file: YAML with places (`loader`), typed values (`models`), all problems in plain words (`reading`)."""

from campaigns.definition.devices import DeviceMode, Devices
from campaigns.definition.models import Definition, Follow, Kind, OnUnknown, Throughput
from campaigns.definition.reading import load_definition
from campaigns.definition.schedule import Schedule
from campaigns.definition.schema import json_schema
from campaigns.definition.sources import ContactListSource, FileSource, InlineSource, Source
from campaigns.definition.variants import Variant
from campaigns.definition.windows import Window
from campaigns.values.rates import Rate
from campaigns.values.targets import Target

__all__ = [
    "ContactListSource",
    "Definition",
    "DeviceMode",
    "Devices",
    "FileSource",
    "Follow",
    "InlineSource",
    "Kind",
    "OnUnknown",
    "Rate",
    "Schedule",
    "Source",
    "Target",
    "Throughput",
    "Variant",
    "Window",
    "json_schema",
    "load_definition",
]
