"""What a system is served with: a config with changes, and the environment of its nodes."""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from graphs.serve_config.reader import parse_serve_config, read_text

Changes = Mapping[str, Mapping[str, Any]]
_NODE_ENVIRONMENT = Path(__file__).parents[1] / "cluster" / "node.env"


def changed_config(source: Path, *, port: int, changes: Changes) -> str:
    """Gives the text of a config that listens on a port of its own.

    Args:
        source: the YAML file.
        port: of HTTP.
        changes: deployment -> key of its block -> value; mappings are merged.

    Raises:
        ConfigError: the file has faults, or has them once it is changed.
    """
    text = read_text(source)
    parse_serve_config(text, str(source))
    config = yaml.safe_load(text)
    config["http_options"]["port"] = port
    blocks = {block["name"]: block for block in config["applications"][0]["deployments"]}
    for name, changed in changes.items():
        blocks[name].update(merged(blocks[name], changed))
    result: str = yaml.safe_dump(config)
    parse_serve_config(result, f"{source}, changed")
    return result


def merged(block: Mapping[str, Any], changed: Mapping[str, Any]) -> dict[str, Any]:
    """Gives a block with changes in it; a mapping is merged into the one that is there."""
    result = dict(block)
    for key, value in changed.items():
        known = result.get(key)
        if isinstance(value, Mapping) and isinstance(known, Mapping):
            result[key] = merged(known, value)
        else:
            result[key] = value
    return result


def node_environment() -> dict[str, str]:
    """Gives what cluster/node.env sets."""
    words = shlex.split(_NODE_ENVIRONMENT.read_text(), comments=True)
    return dict(word.split("=", 1) for word in words)
