"""Faults of the sandbox: the table, what each does, and the proxy that does it below HTTP."""
