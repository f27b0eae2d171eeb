"""The front door: requests over HTTP."""
