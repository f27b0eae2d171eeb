"""What people see: counts, exports, one person's history."""
