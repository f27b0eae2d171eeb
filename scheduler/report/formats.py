"""The formats of an export. In a module of its own, so that the command line need not import what writes them."""

from enum import StrEnum


class Format(StrEnum):
    """The formats of an export."""

    CSV = "csv"
    JSONL = "jsonl"
    HTML = "html"
