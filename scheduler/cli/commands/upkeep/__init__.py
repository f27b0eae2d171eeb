"""The installation: its database, its gateway account, its surroundings."""
