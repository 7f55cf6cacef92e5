"""Times of a block in another unit than seconds, and those that leave one another no room."""

from collections.abc import Iterator, Mapping
from typing import Any

from ray.serve.config import AutoscalingConfig

from deployments.user_config import ConfigFault, Place

_LONGEST_S = 600.0  # in which a loss or a load is noticed; nobody means more
_SHORTEST_CHECK_S = 1.0  # a replica that works answers a check later than an idle one
_SECONDS: tuple[tuple[Place, str, float], ...] = (
    ((), "health_check_period_s", 0.0),
    ((), "health_check_timeout_s", _SHORTEST_CHECK_S),
    (("autoscaling_config",), "upscale_delay_s", 0.0),
)
_SHUTDOWN, _LOOP = "graceful_shutdown_timeout_s", "graceful_shutdown_wait_loop_s"


def time_faults(block: Mapping[str, Any]) -> Iterator[ConfigFault]:
    """Finds them.

    Args:
        block: of one deployment.
    """
    scaling = block.get("autoscaling_config")
    scaling = scaling if isinstance(scaling, Mapping) else {}
    for where, key, least in _SECONDS:
        given = (scaling if where else block).get(key)
        if isinstance(given, int | float) and not least <= given <= _LONGEST_S:
            message = f"{key} is in seconds and must be in {least:g}..{_LONGEST_S:g}, got {given:g}"
            if given > _LONGEST_S:
                message += f"; {given:g} ms are {given / 1000:g}"
            yield ConfigFault(where=where, key=key, message=message)
    yield from _room_faults(block, scaling)


def _room_faults(block: Mapping[str, Any], scaling: Mapping[str, Any]) -> Iterator[ConfigFault]:
    fields = AutoscalingConfig.model_fields
    names = ("look_back_period_s", "metrics_interval_s")
    look_back, interval = (scaling.get(name, fields[name].default) for name in names)
    if _holds(interval, look_back):
        message = f"look_back_period_s must be above metrics_interval_s ({interval:g}), got "
        message += f"{look_back:g}: there would be nothing to average"
        where = ("autoscaling_config",)
        yield ConfigFault(where=where, key="look_back_period_s", message=message)
    loop, timeout = block.get(_LOOP), block.get(_SHUTDOWN)
    if _holds(loop, timeout) and loop:  # none of either is a shutdown at once
        message = f"{_LOOP} must be below {_SHUTDOWN} ({timeout:g}), got {loop:g}: an idle replica "
        message += "would wait so long, and be killed before"
        yield ConfigFault(where=(), key=_LOOP, message=message)


def _holds(above: object, below: object) -> bool:
    """Whether both are numbers, and the first is not the smaller one."""
    return isinstance(above, int | float) and isinstance(below, int | float) and above >= below
