"""What people may read: the same functions for every door."""
