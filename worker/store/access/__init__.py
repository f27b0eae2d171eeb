"""Who may call: users, tokens, sessions."""
