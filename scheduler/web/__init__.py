"""The front door: what is asked over HTTP."""
