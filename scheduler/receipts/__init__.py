"""What the gateway shows of messages, stored, and what follows from it."""
