"""The real Gateway, Embedder, Retriever and Ingester, over simulated models behind the search."""

from ray.serve import Application

from chaos.simulated.app import Reranker, SafetyFilter
from chaos.simulated.generator import Generator
from deployments.embedder import Embedder
from graphs.app import compose
from graphs.config import AppArgs


def build(args: AppArgs) -> Application:
    """Binds them; see `graphs.app.build`."""
    return compose(
        args,
        embedder=Embedder,
        reranker=Reranker,
        safety_filter=SafetyFilter,
        generator=Generator,
    )
