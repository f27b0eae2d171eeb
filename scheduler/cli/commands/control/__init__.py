"""Stopping, approving, limiting and deciding, while campaigns are under way."""
