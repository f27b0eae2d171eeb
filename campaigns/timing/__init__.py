"""The right moment for every person: runs that repeat, zones, reminders, spreading, and contradictions."""
