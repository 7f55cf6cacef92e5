"""Composes the deployments: the builder that `local.yaml` and `cluster.yaml` name.

No `from __future__ import annotations` here: Serve would then hand the builder a raw dict.
"""

from typing import Any

from ray.serve import Application

from deployments.embedder import Embedder
from deployments.generator import Generator
from deployments.ingester import Ingester
from deployments.reranker import Reranker
from deployments.retriever import Retriever, retriever_names
from deployments.safety_filter import SafetyFilter
from graphs.config import AppArgs, database_url
from graphs.gateway import Gateway
from index.shard import Shard


def build(args: AppArgs) -> Application:
    """Binds one deployment a model to the Gateway.

    Args:
        args: wiring only; models and scale are set in each deployment's block.

    Returns:
        The application, with the Gateway as its ingress.
    """
    return compose(
        args,
        embedder=Embedder,
        reranker=Reranker,
        safety_filter=SafetyFilter,
        generator=Generator,
    )


def compose(
    args: AppArgs, *, embedder: Any, reranker: Any, safety_filter: Any, generator: Any
) -> Application:
    """Binds these model deployments, the corpus and the Gateway to one another.

    Args:
        args: wiring: where the corpus lies, and into how many shards its search index is cut.
        embedder: a class that `@serve.deployment` wrapped, as the others; its block in the YAML has
            the name of its class.
        reranker: as above.
        safety_filter: as above.
        generator: as above.

    Returns:
        The application, with the Gateway as its ingress.
    """
    url = database_url(args)
    embed = embedder.bind()
    retrievers = {
        name: _bind(_named(Retriever, name), url, Shard(number, args.retriever_shards))
        for number, name in enumerate(retriever_names(args.retriever_shards))
    }
    return _bind(
        Gateway,
        {
            "Generator": generator.bind(),  # first, since it takes longest to start
            "Embedder": embed,
            **retrievers,
            "Reranker": reranker.bind(),
            "SafetyFilter": safety_filter.bind(),
            "Ingester": _bind(Ingester, url, embed),
        },
    )


def _named(deployment: Any, name: str) -> Any:
    return deployment.options(name=name)


def _bind(deployment: Any, *args: Any) -> Application:
    """Binds a class that `@serve.deployment` wrapped, which its static type does not show."""
    return deployment.bind(*args)
