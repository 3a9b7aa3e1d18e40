"""The application. On a cluster:

serve run serve_app.app:build_app config=jobs/configs/demo.yaml
serve deploy serve_app/configs/demo.yaml
"""

from ray import serve
from ray.serve import Application

from serve_app.args import ServeArgs
from serve_app.capacity import deployment_options
from serve_app.experts.remote import remote_deployment
from serve_app.experts.simulated import simulated_deployment
from serve_app.ingress import Ingress, api
from serve_app.router_deployment import router_deployment
from zooter_ray.config.generation import Engine, ExpertConfig, HttpEngine, VllmEngine
from zooter_ray.config.serving import ServingConfig
from zooter_ray.experts import engine_groups, shown_names

HEADROOM = 64


def build_app(args: ServeArgs) -> Application:
    """One deployment per engine, the router, and the ingress over them.

    Raises:
        ConfigError: if router and experts do not belong together, or an API key is missing.
    """
    pool, serving, router = args.pool(), args.settings(), args.router_directory()
    card = args.router_card()
    handles: dict[str, Application] = {}
    deployment_of: dict[str, str] = {}
    for engine, group in engine_groups(pool):
        experts = sorted(group, key=lambda expert: expert.engine is None)  # the engine's owner first
        name = f"expert-{experts[0].id}"
        application = expert_deployment(engine, experts, name, serving)
        handles.update({expert.id: application for expert in experts})
        deployment_of.update({expert.id: name for expert in experts})
    options = deployment_options(serving.ingress, serving)
    options["max_ongoing_requests"] += HEADROOM  # so that the ingress itself tells who comes too many, see admission
    ingress = serve.deployment(serve.ingress(api)(Ingress), name="ingress", **options)
    return ingress.bind(
        card=card.to_json(),
        serving=serving,
        router=router_deployment(router, serving),
        handles=handles,
        deployment_of=deployment_of,
        shown=shown_names(pool),
    )


def expert_deployment(engine: Engine, experts: list[ExpertConfig], name: str, serving: ServingConfig) -> Application:
    """The deployment of an engine and the experts that share it."""
    if isinstance(engine, VllmEngine):
        from serve_app.experts.local import local_deployment  # vLLM takes seconds to import

        return local_deployment(engine, experts, name, serving)
    if isinstance(engine, HttpEngine):
        return remote_deployment(engine, experts, name, serving)
    return simulated_deployment(engine, experts, name, serving)
