"""Conditions that somebody has to know of, and the figures that decide."""
