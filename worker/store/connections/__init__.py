"""Connections to a database: how they are made, and how threads take turns on them."""
