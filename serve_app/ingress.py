"""The ingress: OpenAI's endpoints, routed. One deployment, any number of replicas, no state but handles."""

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from ray import serve
from ray.serve.handle import DeploymentHandle
from starlette.exceptions import HTTPException

from serve_app.admission import LimitRequests
from serve_app.attempts import GONE, Attempts, stream
from serve_app.availability import Availability
from serve_app.errors import ApiError, error_body
from serve_app.metrics import CountRequests, ServiceMetrics
from serve_app.requests import ChatRequest, CompletionRequest, RouteRequest, parse, read_body
from serve_app.routing_policy import Decision, decide, decide_without_router, text_to_route
from zooter_ray.config.serving import ServingConfig

ROUTED = "zooter"
logger = logging.getLogger("ray.serve")
api = FastAPI(title="zooter", openapi_url=None, docs_url=None, redoc_url=None)
api.add_middleware(LimitRequests)
api.add_middleware(CountRequests)  # added last, so that it counts what the limit refuses as well


@api.exception_handler(ApiError)
async def tell_api_error(_: Request, error: ApiError) -> JSONResponse:
    """An error of ours."""
    return JSONResponse(error.body(), error.status, headers=error.headers)


@api.exception_handler(HTTPException)
async def tell_http_error(_: Request, error: HTTPException) -> JSONResponse:
    """Unknown paths and methods, in OpenAI's form as well."""
    messages = {404: "there is no such endpoint", 405: "this endpoint does not know this method"}
    message = messages.get(error.status_code, "the request cannot be served")
    return JSONResponse(error_body(error.status_code, message), error.status_code)


@api.exception_handler(Exception)
async def tell_unexpected_error(_: Request, error: Exception) -> JSONResponse:
    """A defect of ours: the log has it, the client learns nothing of its insides."""
    logger.error("unexpected error", exc_info=error)
    return JSONResponse(error_body(500, "internal error"), 500)


class Ingress:
    """Replica: takes requests, has them routed, and passes on what the chosen expert says."""

    def __init__(
        self,
        card: dict[str, Any],
        serving: ServingConfig,
        router: DeploymentHandle[Any],
        handles: Mapping[str, DeploymentHandle[Any]],
        deployment_of: Mapping[str, str],
        shown: Mapping[str, str],
    ) -> None:
        self.card = card
        self.serving = serving
        self.router = router
        self.handles = {expert: handle.options(stream=True) for expert, handle in handles.items()}
        self.shown = dict(shown)
        self.created = int(time.time())
        self.metrics = ServiceMetrics()
        self.availability = Availability(serve.get_replica_context().app_name, deployment_of)
        self.attempts = Attempts(self.handles, self.availability.is_up, serving.retry_after_s, self.metrics)

    @api.post("/v1/chat/completions")
    async def chat(self, request: Request) -> Response:
        """A chat completion, routed or of one expert."""
        body = parse(ChatRequest, await self._body(request))
        text = text_to_route(body.messages, self.serving.turn)
        return await self._answer("chat", body.model, text, body.to_body())

    @api.post("/v1/completions")
    async def completions(self, request: Request) -> Response:
        """A plain completion of one text prompt, routed or of one expert."""
        body = parse(CompletionRequest, await self._body(request))
        return await self._answer("completions", body.model, body.prompt, body.to_body())

    @api.post("/v1/route")
    async def route(self, request: Request) -> dict[str, Any]:
        """Where a query would go: the experts, most probable first. Nothing is generated."""
        body = parse(RouteRequest, await self._body(request))
        if (body.query is None) == (body.messages is None):
            raise ApiError(400, "give either `query` or `messages`", "invalid_value")
        text = body.query if body.messages is None else text_to_route(body.messages, self.serving.turn)
        decision = await self._decide(text or "")
        return {
            "object": "route",
            "expert": decision.ranked[0][0],
            "distribution": [{"expert": expert, "probability": p} for expert, p in decision.ranked],
            "by_router": decision.by_router,
        }

    @api.get("/v1/models")
    async def models(self) -> dict[str, Any]:
        """The models that can be asked for: zooter, then every expert."""
        return {"object": "list", "data": [self._model(name) for name in [ROUTED, *self.handles]]}

    @api.get("/v1/models/{model}")
    async def model(self, model: str) -> dict[str, Any]:
        """One model."""
        self._check_model(model)
        return self._model(model)

    @api.get("/v1/router")
    async def router_card(self) -> dict[str, Any]:
        """zooter.json: what the router was made from."""
        return self.card

    @api.get("/healthz")
    async def healthz(self) -> dict[str, str]:
        """This replica lives."""
        return {"status": "ok"}

    @api.get("/readyz")
    async def readyz(self) -> JSONResponse:
        """Whether queries can be routed and answered: a router and at least one expert are running."""
        experts = self.availability.running_experts()
        router = self.availability.is_running("router")
        ready = router and any(experts.values())
        return JSONResponse({"ready": ready, "router": router, "experts": experts}, 200 if ready else 503)

    async def _body(self, request: Request) -> bytes:
        declared, limit = request.headers.get("content-length"), self.serving.max_body_bytes
        try:
            async with asyncio.timeout(self.serving.body_timeout_s):
                return await read_body(request.stream(), declared, limit)
        except TimeoutError:
            raise ApiError(408, "the request body took too long to arrive", "timeout") from None

    def _model(self, name: str) -> dict[str, Any]:
        described = "routed to the expert that the router chooses" if name == ROUTED else self.shown[name]
        return {"id": name, "object": "model", "created": self.created, "owned_by": "zooter", "description": described}

    def _check_model(self, model: str) -> None:
        if model != ROUTED and model not in self.handles:
            raise ApiError(404, "there is no such model; GET /v1/models lists them", "model_not_found", "model")

    async def _decide(self, text: str) -> Decision:
        """The router's ranking. Should the router fail, training means rank the experts: better than no answer."""
        started = time.perf_counter()
        try:
            async with asyncio.timeout(self.serving.decision_timeout_s):
                probabilities = await self.router.probabilities.remote(text)
        except (*GONE, TimeoutError, ValueError) as error:
            logger.warning("the router could not be asked: %s", type(error).__name__)
            self.metrics.without_router.inc()
            return decide_without_router(self.card["experts"], self.card["baselines"].get("overall", {}))
        decision = decide(self.card["experts"], probabilities)
        self.metrics.decisions.inc(tags={"expert": decision.ranked[0][0]})
        self.metrics.decision_ms.observe(1000 * (time.perf_counter() - started))
        self.metrics.entropy.observe(decision.entropy())
        return decision

    async def _answer(self, endpoint: str, model: str, text: str, body: dict[str, Any]) -> Response:
        """Route if asked for, let the experts answer, and say in headers who did and why."""
        started = time.perf_counter()
        deadline = started + self.serving.request_timeout_s
        self._check_model(model)
        decision = await self._decide(text) if model == ROUTED else None
        order = [model] if decision is None else [expert for expert, _ in decision.ranked]
        # Where nothing is streamed, the first byte is the last one too.
        patience_s = self.serving.first_token_timeout_s if body.get("stream") else self.serving.request_timeout_s
        answer = await self.attempts.first_answer(
            order, self.serving.max_attempts, endpoint, body, patience_s, deadline
        )
        self.metrics.answers.inc(tags={"expert": answer.expert})
        self.metrics.first_byte_ms.observe(1000 * (time.perf_counter() - started), tags={"expert": answer.expert})
        headers = {"x-zooter-expert": answer.expert, "x-zooter-attempts": str(answer.attempts)}
        if decision is not None and decision.by_router:
            headers["x-zooter-probability"] = f"{decision.probability(answer.expert):.4f}"
        if body.get("stream"):
            return StreamingResponse(stream(answer, deadline), media_type="text/event-stream", headers=headers)
        return Response(answer.first, media_type="application/json", headers=headers)
