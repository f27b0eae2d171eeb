"""The campaign file: YAML with places (`loader`), typed values (`models`), all problems in plain words (`reading`).

The parts that read are not loaded with the values: they bring YAML, which a process that reads no file does not need.
"""

from campaigns.definition.devices import DeviceMode, Devices
from campaigns.definition.models import Definition, Follow, Kind, OnUnknown, Throughput
from campaigns.definition.schedule import Schedule
from campaigns.definition.sources import CampaignSource, ContactListSource, FileSource, InlineSource, Source
from campaigns.definition.variants import Variant
from campaigns.definition.windows import Window
from campaigns.values.rates import Rate
from campaigns.values.targets import Target

__all__ = [
    "CampaignSource",
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
]
