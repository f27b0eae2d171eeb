"""One file per command: `campaigns NAME` is in `NAME.py` in one of these folders."""
