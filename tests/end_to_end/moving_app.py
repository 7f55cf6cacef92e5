"""The real Gateway, Embedder, Retriever and Ingester, over simulated models behind the search."""

from ray.serve import Application

from chaos.simulated.app import Reranker, SafetyFilter, SimulatedModelConfig
from chaos.simulated.generator import Generator, SimulatedGeneratorConfig
from deployments.embedder import Embedder
from graphs.app import compose
from graphs.config import AppArgs

BLOCKS = {
    "Reranker": SimulatedModelConfig,
    "SafetyFilter": SimulatedModelConfig,
    "Generator": SimulatedGeneratorConfig,
}


def build(args: AppArgs) -> Application:
    """Binds them; see `graphs.app.build`."""
    return compose(
        args,
        {
            "embedder": (Embedder,),
            "reranker": (Reranker,),
            "safety_filter": (SafetyFilter,),
            "generator": (Generator,),
        },
    )
