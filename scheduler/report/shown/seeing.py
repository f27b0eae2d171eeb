"""What is shown to whom: one rule for every answer, list, export and event of the API.

Without `full` (the scope `read:numbers`) numbers are masked, and of what somebody wrote there is nothing: texts and
samples of them, replies, and the reason of an opt-out, which quotes a reply, or is what a colleague or a table said
about a person. Names of campaigns, variants, files and people who work here are shown, and so is what the program or
the gateway says itself, which holds no number and no text.
"""

from campaigns.phone_numbers.masking import mask


def number_for(number: str, *, full: bool) -> str:
    """Return a number as it may be shown."""
    return number if full else mask(number)


def words_for(written: str | None, *, full: bool) -> str | None:
    """Return what somebody wrote as it may be shown."""
    return written if full else None
