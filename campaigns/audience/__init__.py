"""Where recipients come from: tables beside the campaign file and the file itself, read row by row."""

from campaigns.audience.inline import inline_rows
from campaigns.audience.rows import AudienceProblem, AudienceRow, RowReader
from campaigns.audience.sources import open_source, read_to_end

__all__ = ["AudienceProblem", "AudienceRow", "RowReader", "inline_rows", "open_source", "read_to_end"]
