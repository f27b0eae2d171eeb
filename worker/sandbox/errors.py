"""What can go wrong in the sandbox, for the person who starts it and for its clients."""


class SandboxError(Exception):
    """The sandbox cannot run as asked; the text is one sentence for the person who started it."""


class ApiError(Exception):
    """A refusal in the body of a reply with HTTP status 200, as the gateway's live servers answer."""

    def __init__(self, code: int, message: str) -> None:
        self.code = code
        self.message = message
        super().__init__(message)


def invalid_request() -> ApiError:
    """Return what live servers answer to malformed devices, an empty message, or a field with the wrong content."""
    return ApiError(500, "Invalid request format.")
