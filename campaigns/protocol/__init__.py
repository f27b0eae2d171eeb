"""The decisions of the send protocol about a request in doubt."""
