"""The desk: pages for people who send, and for those who watch. Server-rendered; every page works without script."""
