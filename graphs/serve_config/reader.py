"""Reads a Serve config such as local.yaml into types, or tells all that is wrong with it.

Serve drops keys that it does not know and checks no `user_config`; this reader refuses both. It is
used by the builder (serve_config/submitted.py), the command lines, `make serve`, chaos and tests.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from ray.serve.schema import DeploymentSchema, ServeDeploySchema

from deployments.embedder import ServedEmbedders
from deployments.user_config import parse_config
from graphs.config import AppArgs, GatewayConfig
from graphs.errors import ConfigError
from graphs.serve_config.blocks import expected_blocks
from graphs.serve_config.checks import faults_in, own_application
from graphs.serve_config.config_file import ConfigFile, parse_config_file
from graphs.serve_config.model_sizes import SizesOf, known_here

Settings = TypeVar("Settings")


@dataclass(frozen=True, kw_only=True)
class DeploymentBlock:
    """The block of one deployment.

    Attributes:
        settings: its `user_config`, an instance of the class in serve_config/blocks.py.
        deployment: all else, as Serve reads it.
    """

    settings: object
    deployment: DeploymentSchema


@dataclass(frozen=True, kw_only=True)
class ServeConfig:
    """A Serve config without a fault.

    Attributes:
        host: where the Gateway listens.
        port: its port.
        application: the name of the application.
        args: of the builder.
        runtime_env: of the application: what its processes find in their environment.
        blocks: deployment -> its block.
    """

    host: str
    port: int
    application: str
    args: AppArgs
    runtime_env: Mapping[str, Any]
    blocks: Mapping[str, DeploymentBlock]

    def settings(self, name: str, kind: type[Settings]) -> Settings:
        """The settings of a block.

        Raises:
            ConfigError: the application has no such block, or settings of another class.
        """
        block = self.blocks.get(name)
        if block is None or not isinstance(block.settings, kind):
            raise ConfigError(f"{self.application} has no block {name} with a {kind.__name__}")
        return block.settings

    @property
    def gateway(self) -> GatewayConfig:
        """The settings of the Gateway."""
        return self.settings("Gateway", GatewayConfig)

    @property
    def models(self) -> frozenset[str]:
        """The ids of all models that are loaded."""
        every = [block.settings for block in self.blocks.values()]
        every += [also for one in every if isinstance(one, ServedEmbedders) for also in one.also]
        return frozenset(one.model for one in every if hasattr(one, "model"))


def read_serve_config(path: Path) -> ServeConfig:
    """Reads a file.

    Raises:
        ConfigError: it cannot be read, or has faults: a line for each, with file, line and place.
    """
    return parse_serve_config(read_text(path), str(path))


def parse_serve_config(text: str, name: str, sizes_of: SizesOf = known_here) -> ServeConfig:
    """Reads the text of a file.

    Args:
        text: of the file.
        name: of the file.
        sizes_of: what is known of models; by default, of those whose files lie here.

    Raises:
        ConfigError: it has faults.
    """
    file = parse_config_file(text, name)
    file.refuse(faults_in(file, sizes_of))
    return _typed(file)


def read_text(path: Path) -> str:
    """Gives the text of a file.

    Raises:
        ConfigError: it cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8")
    except OSError as err:
        raise ConfigError(f"{path}: {err.strerror}") from err
    except UnicodeDecodeError as err:
        raise ConfigError(f"{path}: no text in UTF-8: {err.reason}") from err


def _typed(file: ConfigFile) -> ServeConfig:
    served = ServeDeploySchema.model_validate(file.value)
    place, blocks = own_application(file.value)
    application = served.applications[place]
    args = parse_config(AppArgs, application.args)
    kinds = expected_blocks(blocks, args)
    return ServeConfig(
        host=served.http_options.host,
        port=served.http_options.port,
        application=application.name,
        args=args,
        runtime_env=application.runtime_env or {},
        blocks={
            one.name: DeploymentBlock(
                settings=parse_config(kinds[one.name], one.user_config or {}), deployment=one
            )
            for one in application.deployments
        },
    )
