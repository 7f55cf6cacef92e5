"""Whether a deployment runs, and who waits for it. The one place here that reads Serve's router.

Asking a replica says less: a call to one whose slots are all taken waits, though it is well. The
controller checks the health of every replica and tells the routers which of them run; a router goes
on knowing while the controller is away.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from ray.serve.handle import DeploymentHandle

from graphs.observing.at_work import QueueState


def queues_of(handles: Iterable[DeploymentHandle]) -> Mapping[str, QueueState]:
    """Counts the calls over these handles, by deployment; asks nobody."""
    routers = {handle.deployment_name: _router(handle) for handle in handles}
    return {
        name: QueueState(
            waiting=counts.num_queued_requests,
            working=sum(counts.num_requests_sent_to_replicas.values()),
        )
        for name, counts in (
            (name, router._metrics_manager) for name, router in routers.items() if router
        )
    }


def _router(handle: DeploymentHandle) -> Any:
    """Gives the router of a handle; None in Serve's local testing mode, which has no replicas."""
    return getattr(handle._init_router(), "_asyncio_router", None)


def has_running(handle: DeploymentHandle) -> bool:
    """Says whether a call over this handle would find a replica; asks nobody.

    The attributes are not public (Ray 2.60); tests/end_to_end sees it when they change.
    """
    router = _router(handle)
    if router is None:
        return bool(handle.running_replicas_populated())
    chosen_from = router._request_router  # made with the first call; until then there is a list
    return bool(router._running_replicas if chosen_from is None else chosen_from.curr_replicas)
