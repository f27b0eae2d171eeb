"""Counts that are kept beside the rows, so that nobody who looks has to count."""
