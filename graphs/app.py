"""Composes the deployments: the builder that `local.yaml` and `cluster.yaml` name.

No `from __future__ import annotations` here: Serve would then hand the builder a raw dict.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from ray.serve import Application

from deployments.embedder import Embedder
from deployments.generator import Generator
from deployments.ingester import Ingester
from deployments.reranker import Reranker
from deployments.retriever import Retriever, retriever_names
from deployments.safety_filter import SafetyFilter
from graphs.config import AppArgs, database_url
from graphs.gateway import Gateway
from graphs.serve_config.blocks import CANARY, SMALL
from graphs.serve_config.submitted import refuse_wrong_submission
from index.shard import Shard

Role = Literal["embedder", "reranker", "safety_filter", "generator"]


def build(args: AppArgs) -> Application:
    """Binds one deployment a model to the Gateway.

    Args:
        args: wiring only; models and scale are set in each deployment's block.

    Returns:
        The application, with the Gateway as its ingress.

    Raises:
        RayServeException: the Serve config that asked for it has faults; all are named.
    """
    refuse_wrong_submission()
    return compose(
        args,
        {
            "embedder": (Embedder,),
            "reranker": (Reranker,),
            "safety_filter": (SafetyFilter,),
            "generator": (Generator,),
        },
    )


def compose(args: AppArgs, models: Mapping[Role, Sequence[Any]]) -> Application:
    """Binds these model deployments, the corpus and the Gateway to one another.

    Args:
        args: wiring: where the corpus lies, and into how many shards its search index is cut.
        models: role -> classes that `@serve.deployment` wrapped, the first of a role its main one;
            the block in the YAML has the name of the deployment.

    Returns:
        The application, with the Gateway as its ingress; it gets role -> handles.
    """
    url = database_url(args)
    # Generators first, since they take longest to start.
    generator = models["generator"][0]
    more: dict[str, Sequence[Any]] = {}
    if args.canary:
        more["generator"] = (generator, _named(generator, CANARY))
    if args.small:
        more["small_generator"] = (_named(generator, SMALL),)
    wanted = {str(role): classes for role, classes in models.items()} | more
    order = sorted(wanted, key=lambda role: "generator" not in role)
    bound = {role: tuple(_bind(deployment) for deployment in wanted[role]) for role in order}
    retrievers = tuple(
        _bind(_named(Retriever, name), url, Shard(number, args.retriever_shards))
        for number, name in enumerate(retriever_names(args.retriever_shards))
    )
    ingester = _bind(Ingester, url, bound["embedder"][0])
    return _bind(Gateway, {**bound, "retriever": retrievers, "ingester": (ingester,)})


def _named(deployment: Any, name: str) -> Any:
    return deployment.options(name=name)


def _bind(deployment: Any, *args: Any) -> Application:
    """Binds a class that `@serve.deployment` wrapped, which its static type does not show."""
    return deployment.bind(*args)
