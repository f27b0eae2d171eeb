"""Who may sign in and call: users and tokens."""
