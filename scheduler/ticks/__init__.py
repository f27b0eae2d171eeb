"""The work that the clock repeats: each tick is called as `tick(runtime, now)` and counts what it did."""
