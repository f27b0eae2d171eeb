"""The command line, `campaigns`: parse, call, render."""

from scheduler.cli.app import main

__all__ = ["main"]
