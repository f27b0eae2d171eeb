"""Stopping, letting go, limiting and deciding, while campaigns are under way."""
