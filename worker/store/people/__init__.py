"""People across all campaigns: what they replied, and who gets no texts."""
