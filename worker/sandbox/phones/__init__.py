"""The phones of the sandbox and the people who answer."""
