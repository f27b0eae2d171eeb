"""Ticks that follow accepted texts to their end."""
