"""How an export is written. Alone here, for the command line knows it and must not wait for what writes one."""

from enum import StrEnum


class Format(StrEnum):
    """The formats of an export."""

    CSV = "csv"
    JSONL = "jsonl"
    HTML = "html"
