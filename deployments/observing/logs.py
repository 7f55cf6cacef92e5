"""Puts what this application logs into the logs that Serve keeps of each replica.

Serve sets up its own logger alone: without this, nothing below WARNING of ours is written anywhere.
With `logging_config: {encoding: JSON}` in the Serve config every line is one JSON object.
"""

import logging

from ray import serve
from ray.serve.exceptions import RayServeException

_SERVE = "ray.serve"  # ray.serve._private.constants.SERVE_LOGGER_NAME; user code logs there, too
_OURS = ("models", "index", "deployments", "graphs")


def join_serve_logs() -> None:
    """Lets the loggers of our folders write where the replica's does; outside a replica, nothing.

    They take its level, its handlers and its form, also where these change later.
    """
    try:
        serve.get_replica_context()
    except RayServeException:
        return
    for name in _OURS:
        logging.getLogger(name).parent = logging.getLogger(_SERVE)
