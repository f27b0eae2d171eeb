"""The servers that all work needs: their conditions, and how their troubles are reported."""
