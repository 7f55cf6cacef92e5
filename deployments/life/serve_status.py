"""Puts a text beside a deployment's state in `serve status`. It uses what Serve keeps private.

Serve tells there why a replica does not start, and has no way to tell that one runs, but with
another model than its settings name (Ray 2.60). tests/end_to_end sees it when that changes.
"""

import logging
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import ray
from ray import serve
from ray.exceptions import RayError
from ray.serve._private.common import DeploymentID
from ray.serve._private.constants import SERVE_CONTROLLER_NAME, SERVE_NAMESPACE
from ray.serve.exceptions import RayServeException

logger = logging.getLogger(__name__)

MARK = "Model: "
_CONTROLLER_S = 10.0
_TELLER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="serve-status")


def tell(message: str) -> None:
    """Tells what is special about this replica's model; "" takes the last text back.

    Waits for nobody. What Serve itself has to say is left as it is. Outside of a replica it does
    nothing.
    """
    try:
        context = serve.get_replica_context()
    except RayServeException:
        return
    text = f"{MARK}{message}" if message else ""
    # One thread, so that texts come in their order, and the event loop never waits for the head.
    _TELLER.submit(_tell, context.replica_id.deployment_id, text)


def _tell(deployment: DeploymentID, text: str) -> None:
    mark = MARK

    # A function within a function travels as it is: the controller imports nothing of ours.
    def note(controller: Any) -> None:
        state = controller.deployment_state_manager._deployment_states.get(deployment)
        if state is not None:
            info = state._curr_status_info
            if not info.message or info.message.startswith(mark):
                state._curr_status_info = info.update_message(text)

    try:
        controller: Any = ray.get_actor(SERVE_CONTROLLER_NAME, namespace=SERVE_NAMESPACE)
        ray.get(controller.__ray_call__.remote(note), timeout=_CONTROLLER_S)
    except (RayError, ValueError, AttributeError) as err:  # the log and /readyz tell it, too
        logger.warning("serve status does not tell %r: %s", text, err)
