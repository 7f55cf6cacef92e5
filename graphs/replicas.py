"""Whether a deployment has a replica that runs. The one place here that reads Serve's router.

Asking a replica says less: a call to one whose slots are all taken waits, though it is well. The
controller checks the health of every replica and tells the routers which of them run; a router goes
on knowing while the controller is away.
"""

from typing import Any

from ray.serve.handle import DeploymentHandle


def has_running(handle: DeploymentHandle) -> bool:
    """Says whether a call over this handle would find a replica; asks nobody.

    The attributes are not public (Ray 2.60); tests/end_to_end sees it when they change.
    """
    of_handle: Any = handle._init_router()
    router = getattr(of_handle, "_asyncio_router", None)
    if router is None:  # Serve's local testing mode: one process, no replicas
        return bool(of_handle.running_replicas_populated())
    chosen_from = router._request_router  # made with the first call; until then there is a list
    return bool(router._running_replicas if chosen_from is None else chosen_from.curr_replicas)
