"""The installation: its database, its gateway account, who is told, what it begins with."""
