"""The installation: its database, its gateway account, its notifications, its first files."""
