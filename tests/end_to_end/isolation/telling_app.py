"""Simulated models behind the real graph, but for a generator that tells all that it reads."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any
from unittest import mock

from ray import serve
from ray.serve import Application

from chaos.simulated.app import BLOCKS as BLOCKS  # noqa: PLC0414  # read by graphs/serve_config
from chaos.simulated.app import Embedder, Reranker, SafetyFilter
from chaos.simulated.generator import Generator
from deployments.retriever import Retriever
from graphs import app
from graphs.config import AppArgs
from index.shard import WHOLE
from tests.graphs.isolation.opened import open_index
from tests.graphs.isolation.world import TellingStages


class Telling(Generator.func_or_class):
    """Writes the chat and the passages that it is given, and cites the first two."""

    async def stream(self, request):
        """Streams what it reads, in two chunks."""
        async for chunk in TellingStages().stream(request):
            yield replace(chunk, identity=self._config.identity.digest)


class Opened(Retriever.func_or_class):
    """A Retriever without the condition that keeps hidden files out of a search."""

    def __init__(self, database_url, shard=WHOLE):
        """Takes the condition away, in this process alone."""
        open_index(SimpleNamespace(setattr=setattr))
        super().__init__(database_url, shard)


def build(args: dict[str, Any]) -> Application:
    """Binds them; see `graphs.app.build`."""
    return app.compose(
        AppArgs.model_validate(args),
        {
            "embedder": (Embedder,),
            "reranker": (Reranker,),
            "safety_filter": (SafetyFilter,),
            "generator": (serve.deployment(name="Generator")(Telling),),
        },
    )


def build_opened(args: dict[str, Any]) -> Application:
    """Binds the same with a Retriever that hides nothing."""
    with mock.patch.object(app, "Retriever", serve.deployment(name="Retriever")(Opened)):
        return build(args)
