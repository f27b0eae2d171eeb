"""People over all campaigns: what they replied, and who gets no texts."""
