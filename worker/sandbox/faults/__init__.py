"""Faults of the sandbox: the table, what each one does, and the proxy for those below HTTP."""
