"""Limits on sending: those of a batch, those in force, and what was granted so far."""
