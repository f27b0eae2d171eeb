"""The services: processes that work until they are told to stop."""
