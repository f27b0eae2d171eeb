"""People and texts that are forgotten by age, and people who had to wait."""
