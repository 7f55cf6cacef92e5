"""Composes the deployments: the builder that `local.yaml` and `cluster.yaml` name.

No `from __future__ import annotations` here: Serve would then hand the builder a raw dict.
"""

from typing import Any

from ray.serve import Application

from deployments.embedder import Embedder
from deployments.generator import Generator
from deployments.ingester import Ingester
from deployments.reranker import Reranker
from deployments.retriever import Retriever
from deployments.safety_filter import SafetyFilter
from graphs.config import AppArgs, database_url
from graphs.gateway import Gateway


def build(args: AppArgs) -> Application:
    """Binds one deployment a model to the Gateway.

    Args:
        args: wiring only; models and scale are set in each deployment's block.

    Returns:
        The application, with the Gateway as its ingress.
    """
    return compose(
        database_url(args),
        embedder=Embedder,
        reranker=Reranker,
        safety_filter=SafetyFilter,
        generator=Generator,
    )


def compose(
    url: str, *, embedder: Any, reranker: Any, safety_filter: Any, generator: Any
) -> Application:
    """Binds these model deployments, the corpus and the Gateway to one another.

    Args:
        url: of the corpus.
        embedder: a class that `@serve.deployment` wrapped, as the others; its block in the YAML has
            the name of its class.
        reranker: as above.
        safety_filter: as above.
        generator: as above.

    Returns:
        The application, with the Gateway as its ingress.
    """
    embed = embedder.bind()
    return _bind(
        Gateway,
        {
            "Generator": generator.bind(),  # first, since it takes longest to start
            "Embedder": embed,
            "Retriever": _bind(Retriever, url),
            "Reranker": reranker.bind(),
            "SafetyFilter": safety_filter.bind(),
            "Ingester": _bind(Ingester, url, embed),
        },
    )


def _bind(deployment: Any, *args: Any) -> Application:
    """Binds a class that `@serve.deployment` wrapped, which its static type does not show."""
    return deployment.bind(*args)
