"""Runs from plan to end: versions, approvals, starts, ends, repetitions, reminders, resends."""
