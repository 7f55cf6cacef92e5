"""What the served system would do with a document, read from its Serve config."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from deployments.ingester import IngesterConfig
from deployments.settings import parse_config
from graphs.config import AppArgs, database_url
from index.bulk_cutting import Cutting
from models.embedder import EmbedderConfig


class ConfigError(ValueError):
    """The Serve config cannot be used; the message names the file and what is wrong."""


@dataclass(frozen=True, kw_only=True)
class Served:
    """The part of a Serve config that decides over documents.

    Attributes:
        embedder: of the Embedder's block, so that the vectors fit those of the server.
        num_gpus: share of a GPU that an embedder has there.
        cutting: of the Ingester's block.
        database_url: where the corpus lies.
        runtime_env: of the application: what its processes find in their environment.
    """

    embedder: EmbedderConfig
    num_gpus: float
    cutting: Cutting
    database_url: str
    runtime_env: Mapping[str, Any]


def read_served(path: Path) -> Served:
    """Reads a Serve config such as local.yaml.

    Raises:
        ConfigError: it cannot be read, or has no usable block for Embedder and Ingester.
    """
    try:
        application = yaml.safe_load(path.read_text(encoding="utf-8"))["applications"][0]
        blocks = {block["name"]: block for block in application["deployments"]}
        ingester = parse_config(IngesterConfig, blocks["Ingester"].get("user_config") or {})
        return Served(
            embedder=parse_config(EmbedderConfig, blocks["Embedder"]["user_config"]),
            num_gpus=float(blocks["Embedder"].get("ray_actor_options", {}).get("num_gpus", 0)),
            cutting=Cutting(chunking=ingester.chunking(), limits=ingester.limits()),
            database_url=database_url(AppArgs.model_validate(application.get("args") or {})),
            runtime_env=application.get("runtime_env") or {},
        )
    except OSError as err:
        raise ConfigError(f"--config {path}: {err.strerror}") from err
    except (KeyError, IndexError, TypeError) as err:
        reason = f"no Serve config with blocks for Embedder and Ingester ({err!r})"
        raise ConfigError(f"--config {path}: {reason}") from err
    except (ValueError, yaml.YAMLError) as err:
        raise ConfigError(f"--config {path}: {err}") from err
