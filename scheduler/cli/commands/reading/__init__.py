"""The progress of campaigns, and what became of everybody."""
