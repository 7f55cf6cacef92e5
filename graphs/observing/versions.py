"""What answers came from: the release, the models of each stage, and the settings."""

import hashlib
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version

from graphs.config import GatewayConfig

_DIGEST_CHARS = 12


def versions_of(config: GatewayConfig) -> Mapping[str, str]:
    """Tells the versions that a Gateway of these settings answers with.

    Returns:
        `ragfleet`: the release; `embedder`, `reranker` and `safety`: their names as clients see
        them; `settings`: a digest, which changes with any of the Gateway's settings.
    """
    digest = hashlib.sha256(config.model_dump_json().encode()).hexdigest()
    return {
        "ragfleet": _release(),
        **config.served_names.model_dump(include={"embedder", "reranker", "safety"}),
        "settings": digest[:_DIGEST_CHARS],
    }


def _release() -> str:
    try:
        return version("ragfleet")
    except PackageNotFoundError:  # the code alone was sent to a node
        return "unknown"
