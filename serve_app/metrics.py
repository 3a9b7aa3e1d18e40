"""What the service counts, through ray.serve.metrics: Ray exports it for Prometheus under the prefix `ray_`."""

from ray.serve import metrics
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MILLISECONDS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000]
NATS = [0.1, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 3.0]


class ServiceMetrics:
    """The counters and histograms of an ingress replica."""

    def __init__(self) -> None:
        self.decisions = metrics.Counter(
            "zooter_decisions", description="routed requests by the router's first choice", tag_keys=("expert",)
        )
        self.answers = metrics.Counter(
            "zooter_answers", description="requests by the expert that answered", tag_keys=("expert",)
        )
        self.fallbacks = metrics.Counter(
            "zooter_fallbacks", description="attempts that led to the next expert", tag_keys=("expert", "reason")
        )
        self.without_router = metrics.Counter(
            "zooter_decisions_without_router", description="decisions made while the router could not be asked"
        )
        self.entropy = metrics.Histogram(
            "zooter_router_entropy_nats", description="entropy of the router's distribution", boundaries=NATS
        )
        self.decision_ms = metrics.Histogram(
            "zooter_decision_ms", description="time that the router's decision takes", boundaries=MILLISECONDS
        )
        self.first_byte_ms = metrics.Histogram(
            "zooter_first_byte_ms", description="from request to the reply's first byte", boundaries=MILLISECONDS,
            tag_keys=("expert",),
        )  # fmt: skip


class CountRequests:
    """ASGI middleware: counts requests by endpoint and status. It is made in the replica, with the first request."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.requests = metrics.Counter(
            "zooter_requests", description="requests by endpoint and status", tag_keys=("endpoint", "status")
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and count it once its status is known."""

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                endpoint = getattr(scope.get("route"), "path", "none")
                self.requests.inc(tags={"endpoint": endpoint, "status": str(message["status"])})
            await send(message)

        await self.app(scope, receive, counted if scope["type"] == "http" else send)
