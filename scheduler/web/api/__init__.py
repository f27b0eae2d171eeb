"""The API under `/v1`. Only the process that listens imports it: FastAPI takes a quarter of a second."""
