"""A database that moves, is restored, or gets another gateway."""
