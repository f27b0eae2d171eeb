"""Reads the gateway's messages by status and time, in replies of bounded size."""
