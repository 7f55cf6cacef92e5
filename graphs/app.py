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
    url = database_url(args)
    embedder = _bind(Embedder)
    return _bind(
        Gateway,
        {
            "Embedder": embedder,
            "Retriever": _bind(Retriever, url),
            "Reranker": _bind(Reranker),
            "SafetyFilter": _bind(SafetyFilter),
            "Generator": _bind(Generator),
            "Ingester": _bind(Ingester, url, embedder),
        },
    )


def _bind(deployment: Any, *args: Any) -> Application:
    """Binds a class that `@serve.deployment` wrapped, which its static type does not show."""
    return deployment.bind(*args)
