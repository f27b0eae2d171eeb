"""The sandbox as a process: its command, options and server."""
