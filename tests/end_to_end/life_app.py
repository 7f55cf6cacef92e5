"""The real application, whose generator loses its engine when it is told to."""

from ray import serve
from ray.serve import Application

from deployments.embedder import Embedder
from deployments.generator import Generator
from deployments.reranker import Reranker
from deployments.safety_filter import SafetyFilter
from graphs.app import compose
from graphs.config import AppArgs

BLOCKS = {}


class Mortal(Generator.func_or_class):
    """A generator whose decoding thread can be ended, as by a fault in a kernel."""

    async def lose_engine(self) -> None:
        """Ends the thread and says nothing to anybody."""
        self._life.loaded.model._engine._manager.stop(block=False, hard_stop=True)


def build(args: AppArgs) -> Application:
    """Binds them; see `graphs.app.build`."""
    return compose(
        args,
        {
            "embedder": (Embedder,),
            "reranker": (Reranker,),
            "safety_filter": (SafetyFilter,),
            "generator": (serve.deployment(name="Generator")(Mortal),),
        },
    )
