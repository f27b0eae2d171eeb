"""Campaign files, before anything is sent."""
