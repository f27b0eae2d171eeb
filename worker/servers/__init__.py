"""The servers that all work needs: their conditions, and what is told of their troubles."""
