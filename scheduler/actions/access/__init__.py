"""Users, tokens, and signing in."""
