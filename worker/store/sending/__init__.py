"""Sending: what may go next, the three steps of a send, and what is in doubt."""
