"""Where replicas may stand: labels of nodes, and how long a spot node lasts."""

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from functools import lru_cache
from typing import Any

from deployments.user_config import ConfigFault, Place

MARKET = "ray.io/market-type"
SPOT = "spot"
ON_DEMAND = "on-demand"
_MARKETS = (ON_DEMAND, SPOT)
# Those that Ray sets itself (ray.io/... is its own namespace).
_RAY_LABELS = (
    MARKET,
    "ray.io/accelerator-type",
    "ray.io/availability-region",
    "ray.io/availability-zone",
    "ray.io/node-group",
    "ray.io/node-id",
)
LONGEST_NOTICE_S = 120.0  # AWS; GCP and Azure give 30 s
# Of a notice, until Ray has stopped what runs there: cluster.yaml tells how it was measured.
MARGIN_S = 7.0
_DEFAULT_SHUTDOWN_S = 20.0  # Serve's


def selectors_of(block: Mapping[str, Any]) -> list[tuple[Place, Mapping[str, Any]]]:
    """The label selectors of a block, the first choice first, each with its place."""
    options = block.get("ray_actor_options")
    if not isinstance(options, Mapping):
        return []
    found: list[tuple[Place, Mapping[str, Any]]] = []
    if isinstance(options.get("label_selector"), Mapping):
        found.append((("ray_actor_options", "label_selector"), options["label_selector"]))
    fallbacks = options.get("fallback_strategy")
    for index, one in enumerate(fallbacks if isinstance(fallbacks, Sequence) else ()):
        if isinstance(one, Mapping) and isinstance(one.get("label_selector"), Mapping):
            place: Place = ("ray_actor_options", "fallback_strategy", index, "label_selector")
            found.append((place, one["label_selector"]))
    return found


def fits(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether a node with these labels is one that a selector takes, by Ray's rules."""
    return all(_takes(str(value), labels.get(key)) for key, value in selector.items())


def place_faults(block: Mapping[str, Any]) -> Iterator[ConfigFault]:
    """Finds labels that no node of Ray has, and shutdowns that outlast any spot notice."""
    yield from _fallback_faults(block)
    for place, selector in selectors_of(block):
        for key, value in selector.items():
            message = _label_fault(str(key), str(value))
            if message is not None:
                yield ConfigFault(where=place, key=str(key), message=message)
    if may_be_on_spot(block):
        yield from shutdown_faults(block, LONGEST_NOTICE_S)


def may_be_on_spot(block: Mapping[str, Any]) -> bool:
    """Whether a selector of the block names spot nodes."""
    return any(
        MARKET in selector and _takes(str(selector[MARKET]), SPOT)
        for _, selector in selectors_of(block)
    )


def shutdown_faults(
    block: Mapping[str, Any], notice_s: float, load_s: float | None = None
) -> Iterator[ConfigFault]:
    """Finds a graceful shutdown that a notice leaves no time for.

    Serve stops a replica at `notice - graceful_shutdown_timeout_s`, with or without another one. A
    model that takes longer to load than any notice is at work elsewhere or not at all: of it, no
    more than `MARGIN_S` can be asked.

    Args:
        block: of one deployment.
        notice_s: that a spot node gives.
        load_s: what its model was measured to take; None: it was not.
    """
    given = block.get("graceful_shutdown_timeout_s", _DEFAULT_SHUTDOWN_S)
    most, words = notice_s - MARGIN_S, "and less what a model takes to load, which is not measured"
    if load_s is not None and load_s < most:
        most, words = most - load_s, f"and less the {load_s:.0f} s that the model took to load"
    elif load_s is not None:
        words = f"though the model takes {load_s:.0f} s to load: a second replica must be there"
    if isinstance(given, int | float) and given >= most:
        message = (
            f"graceful_shutdown_timeout_s must be below {most:g}, got {given:g}: a spot notice of "
            f"{notice_s:g} s less {MARGIN_S:g} s, {words}"
        )
        yield ConfigFault(where=(), key="graceful_shutdown_timeout_s", message=message)


def _fallback_faults(block: Mapping[str, Any]) -> Iterator[ConfigFault]:
    options = block.get("ray_actor_options")
    fallbacks = options.get("fallback_strategy") if isinstance(options, Mapping) else None
    for index, one in enumerate(fallbacks if isinstance(fallbacks, list) else ()):
        if not isinstance(one, Mapping) or not isinstance(one.get("label_selector"), Mapping):
            message = f"must be {{label_selector: {{<label>: <value>}}}}, got {one!r}"
            place = ("ray_actor_options", "fallback_strategy", index)
            yield ConfigFault(where=place, message=message)


def _label_fault(key: str, value: str) -> str | None:
    if f"ray.io/{key}" == MARKET:  # others may be labels that nodes are started with
        return f"no node has the label {key!r} of itself; did you mean {MARKET!r}?"
    if key.startswith("ray.io/") and key not in _RAY_LABELS:
        near = get_close_matches(key, _RAY_LABELS, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"Ray has {', '.join(_RAY_LABELS)}"
        return f"no node has the label {key!r}; {hint}"
    if key == MARKET and not set(_named(value)) <= set(_MARKETS):
        near = get_close_matches(value, _MARKETS, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        return f"{MARKET} must be on-demand or spot, got {value!r}{hint}"
    return None


def _named(value: str) -> list[str]:
    """The values that `a`, `!a`, `in(a,b)` and `!in(a,b)` name."""
    bare = value.removeprefix("!")
    if bare.startswith("in(") and bare.endswith(")"):
        return [one.strip() for one in bare[3:-1].split(",")]
    return [bare]


@lru_cache(maxsize=1024)  # a plan asks the same of every node, thousands of times
def _takes(value: str, label: str | None) -> bool:
    is_named = label in _named(value)
    return not is_named if value.startswith("!") else is_named
