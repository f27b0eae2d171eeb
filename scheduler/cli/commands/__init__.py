"""A file for each command: `campaigns NAME` is in `NAME.py` of one of these rooms."""
