"""What the clock does again and again: each is called as `tick(runtime, now)` and counts what it did."""
