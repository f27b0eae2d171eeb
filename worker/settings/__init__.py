"""The settings: environment variables, `.env` and files of secrets."""
