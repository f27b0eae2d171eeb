"""What people are shown: counts, exports, one person's story."""
