"""Errors as OpenAI's API tells them: `{"error": {"message", "type", "param", "code"}}`, never an exception's text."""

import json
from typing import Any


class ApiError(Exception):
    """An error that a client is told."""

    def __init__(
        self,
        status: int,
        message: str,
        code: str | None = None,
        param: str | None = None,
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(status, message, code, param, retry_after_s)
        self.status = status
        self.message = message
        self.code = code
        self.param = param
        self.headers = {} if retry_after_s is None else {"retry-after": str(retry_after_s)}

    def body(self) -> dict[str, Any]:
        """The JSON body."""
        return error_body(self.status, self.message, self.code, self.param)


def error_body(status: int, message: str, code: str | None = None, param: str | None = None) -> dict[str, Any]:
    """An error in OpenAI's form; the type follows from the HTTP status."""
    types = {401: "authentication_error", 404: "not_found_error", 429: "rate_limit_error"}
    kind = types.get(status, "invalid_request_error" if status < 500 else "server_error")
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def error_event(status: int, message: str, code: str | None = None) -> bytes:
    """An error in the middle of a stream, as one server-sent event."""
    return f"data: {json.dumps(error_body(status, message, code))}\n\n".encode()
