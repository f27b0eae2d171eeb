"""From a campaign file to planned runs."""
