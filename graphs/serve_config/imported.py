"""What Serve imports because a config names it, apart from the builders of applications."""

from collections.abc import Iterator, Mapping
from typing import Any

from deployments.user_config import Place

SPAN_EXPORTER = "deployments.observing.spans:exporters"  # as docs/observing.md turns traces on
PREFIX_ROUTER = "deployments.prefix_router:PrefixRouter"  # as cluster.yaml names it
# Keys of Ray 2.60 (ray/serve/schema.py and config.py), wherever they stand.
_KEYS = (
    "policy_function",
    "request_router_class",
    "actor_class",
    "grpc_servicer_functions",
    "exporter_import_path",
    "_serialized_policy_def",
    "_serialized_request_router_cls",
    "_serialized_actor_class",
)


def imported(value: Any, where: Place = ()) -> Iterator[tuple[Place, str]]:
    """Gives the import paths in a config with their places, and code that is written out there."""
    if isinstance(value, Mapping):
        for key, below in value.items():
            place = (*where, key)
            if key in _KEYS:
                yield from ((place, str(one)) for one in _each(below))
            else:
                yield from imported(below, place)
    elif isinstance(value, list):
        for index, below in enumerate(value):
            yield from imported(below, (*where, index))


def same_path(path: str) -> str:
    """Gives a path in the one of the two forms that Serve reads which has no colon."""
    return path.replace(":", ".")


def _each(value: Any) -> list[Any]:
    every = value if isinstance(value, list) else [value]
    return [one for one in every if one is not None]
