"""What the served system would do with a document, read from its Serve config."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ray.serve.schema import RayActorOptionsSchema

from deployments.embedder import ServedEmbedders
from deployments.ingester import IngesterConfig
from graphs.config import database_url
from graphs.serve_config.reader import read_serve_config
from index.chunk import Cutting
from index.errors import FingerprintMismatchError
from models.embedder import EmbedderConfig


@dataclass(frozen=True, kw_only=True)
class Served:
    """The part of a Serve config that decides over documents.

    Attributes:
        application: its name.
        embedders: of the Embedder's block, the main one first, so that the vectors fit those of the
            server.
        num_gpus: share of a GPU that an embedder has there.
        cutting: of the Ingester's block.
        database_url: where the corpus lies.
        runtime_env: of the application: what its processes find in their environment.
    """

    application: str
    embedders: tuple[EmbedderConfig, ...]
    num_gpus: float
    cutting: Cutting
    database_url: str
    runtime_env: Mapping[str, Any]

    @property
    def embedder(self) -> EmbedderConfig:
        """The main embedder."""
        return self.embedders[0]

    def embedder_of(self, fingerprint: str) -> EmbedderConfig | None:
        """The embedder that made vectors of this fingerprint, if it is served."""
        return next((one for one in self.embedders if one.made(fingerprint)), None)

    def embedding_as(self, fingerprint: str | None) -> "Served":
        """The same with the embedder of a store as the main one; None, of an empty one, any.

        Raises:
            FingerprintMismatchError: the embedder is not served.
        """
        if fingerprint is None:
            return self
        embedder = self.embedder_of(fingerprint)
        if embedder is None:
            served = ", ".join(repr(one.model) for one in self.embedders)
            raise FingerprintMismatchError(
                f"the store's vectors are of {fingerprint!r}, the Embedder's block has {served}; "
                "name the model under `also` there, or move the store with "
                "python -m graphs.commands.reembed"
            )
        return replace(self, embedders=(embedder,))


def read_served(path: Path) -> Served:
    """Reads a Serve config such as local.yaml.

    Raises:
        ConfigError: it cannot be read, or has faults; all are named.
    """
    config = read_serve_config(path)
    ingester = config.settings("Ingester", IngesterConfig)
    options = config.blocks["Embedder"].deployment.ray_actor_options
    return Served(
        application=config.application,
        embedders=config.settings("Embedder", ServedEmbedders).configs,
        num_gpus=(options.num_gpus if isinstance(options, RayActorOptionsSchema) else None) or 0.0,
        cutting=ingester.cutting(),
        database_url=database_url(config.args),
        runtime_env=config.runtime_env,
    )
