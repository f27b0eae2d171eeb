"""The commands that send and serve."""
