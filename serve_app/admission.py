"""What an ingress replica lets in: as many requests as its capacity says, and the others are told when to come back.

Serve has limits of its own, a little higher: what they turn away is told in Serve's words and not in OpenAI's.
"""

from ray import serve
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from serve_app.errors import ApiError


class LimitRequests:
    """ASGI middleware: counts the POST requests under way, streams to their end, and refuses those over capacity."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.under_way = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http" or scope["method"] != "POST":
            await self.app(scope, receive, send)
            return
        serving = serve.get_replica_context().servable_object.serving
        if self.under_way >= serving.ingress.max_ongoing_requests:
            error = ApiError(
                503, "the service has no capacity at the moment", "overloaded", retry_after_s=serving.retry_after_s
            )
            await JSONResponse(error.body(), error.status, headers=error.headers)(scope, receive, send)
            return
        self.under_way += 1
        try:
            await self.app(scope, receive, send)
        finally:
            self.under_way -= 1
