"""A database that moves, is restored, or stands before another gateway."""
