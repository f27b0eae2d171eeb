"""Counts of things in sentences."""


def amount(count: int, one: str, many: str = "") -> str:
    """Return `1 person`, `2,000 people`. `many` defaults to `one` with an s."""
    return f"1 {one}" if count == 1 else f"{count:,} {many or one + 's'}"
