"""What can go wrong in the sandbox: towards the person who starts it, and towards its clients."""


class SandboxError(Exception):
    """The sandbox cannot run as asked; the text is one sentence for the person who started it."""


class ApiError(Exception):
    """A refusal in the body of a reply with HTTP status 200, as the gateway's live servers answer."""

    def __init__(self, code: int, message: str) -> None:
        self.code = code
        self.message = message
        super().__init__(message)


def invalid_request() -> ApiError:
    """What live servers answer to malformed devices, an empty message, or a field that is not what it should be."""
    return ApiError(500, "Invalid request format.")
