"""Numbers of things in sentences."""


def amount(count: int, one: str, many: str = "") -> str:
    """`1 person`, `2,000 people`; `many` is `one` with an s unless it is given."""
    return f"1 {one}" if count == 1 else f"{count:,} {many or one + 's'}"
