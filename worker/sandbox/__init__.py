"""A local gateway with the documented HTTP API, for trials, tests and benchmarks. It never sends anything to a phone.

A message's whole life is computed when it is accepted (`life`), kept in memory (`state`) and in an append-only file
(`ledger`); whatever a client reads follows from that life and the time of reading. `server` puts it on 127.0.0.1,
`process` runs it as a private child process.
"""
