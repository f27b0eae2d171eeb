"""Ticks that send: start, queue, find what died, look up what is in doubt."""
