"""What is wrong between the Gateway's choice of a generator and the generators that there are.

And deployments without which work stands still, where they may have no replica.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from deployments.user_config import ConfigFault, Place
from graphs.config import AppArgs
from graphs.errors import ConfigError
from graphs.router_weights import read_weights
from graphs.serve_config.blocks import CANARY, SMALL

_WOKEN_BY_NOBODY = {
    CANARY: "no question wakes a second version",
    SMALL: "no question wakes a small generator",
    "Gateway": "batches and responses in the background would stop while nobody asks",
}

Named = Sequence[tuple[tuple[Place, str], Mapping[str, Any]]]  # place and name, and the block


def choice_faults(named: Named, args: AppArgs) -> Iterator[ConfigFault]:
    """Finds shares and routes to a generator that is not there, or that no question wakes.

    Args:
        named: the blocks of the application.
        args: of its builder, which say which generators there are.
    """
    for (place, name), block in named:
        if name in _WOKEN_BY_NOBODY:
            yield from (fault.under(place) for fault in _sleeping(name, block))
        settings = block.get("user_config")
        if name == "Gateway" and isinstance(settings, Mapping):
            where = (*place, "user_config")
            yield from (fault.under(where) for fault in _missing(settings, args))


def _sleeping(name: str, block: Mapping[str, Any]) -> Iterator[ConfigFault]:
    scaling = block.get("autoscaling_config")
    if isinstance(scaling, Mapping) and scaling.get("min_replicas") == 0:
        message = f"min_replicas must be at least 1, got 0: {_WOKEN_BY_NOBODY[name]}"
        yield ConfigFault(where=("autoscaling_config",), key="min_replicas", message=message)


def _missing(settings: Mapping[str, Any], args: AppArgs) -> Iterator[ConfigFault]:
    share = _of(settings, "canary").get("share")
    if share and not args.canary:
        message = f"share must be 0 without `args: {{canary: true}}`, got {share}"
        yield ConfigFault(where=("canary",), key="share", message=message)
    routing = _of(settings, "routing")
    router, weights = routing.get("router"), routing.get("weights")
    if router and not args.small:
        message = f"router must be null without `args: {{small: true}}`, got {router!r}"
        yield ConfigFault(where=("routing",), key="router", message=message)
    if isinstance(weights, str):
        try:
            read_weights(Path(weights))
        except ConfigError as err:
            yield ConfigFault(where=("routing",), key="weights", message=str(err))


def _of(settings: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    given = settings.get(key)
    return given if isinstance(given, Mapping) else {}
