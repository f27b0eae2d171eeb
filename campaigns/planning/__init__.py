"""The plan: who gets which text in which request, and who gets none and why."""
