"""What the clock does again and again: each a plain function `tick(runtime, now) -> counts`."""
