"""The system that serves on the connected Ray cluster, as a command line may ask it."""

import logging
from dataclasses import dataclass
from typing import Any

from ray import serve
from ray.exceptions import RayError
from ray.serve.exceptions import RayServeException

from graphs.commands.session import SessionError
from models.embedder import EmbedderConfig

_ANSWER_S = 60.0
_ASKED = 8  # times; each goes to one replica of several


@dataclass(frozen=True, kw_only=True)
class Running:
    """A served application.

    Attributes:
        application: its name.
        embedders: what its Embedder has loaded, by fingerprint, the main one first.
        is_settled: whether all replicas of the Embedder have the same settings by now.
        retriever: the deployment that searches, or one of several.
    """

    application: str
    embedders: dict[str, EmbedderConfig]
    is_settled: bool
    retriever: str

    def recent_queries(self, store_id: str) -> list[str]:
        """What was searched for in a store lately, as the replicas that answer remember it."""
        queries: dict[str, None] = {}
        for _ in range(_ASKED):
            answer = _call(self.application, self.retriever, "recent_queries", store_id)
            queries |= dict.fromkeys(answer)
        return list(queries)


def find_running(application: str) -> Running | None:
    """Asks the application which embedders it has; None if it is not served on this cluster.

    Raises:
        SessionError: it is there and does not answer.
    """
    logging.getLogger("ray.serve").setLevel(logging.WARNING)
    found = serve.status().applications.get(application)
    if found is None:
        return None
    return Running(
        application=application,
        embedders=_call(application, "Embedder", "served"),
        is_settled=found.deployments["Embedder"].status == "HEALTHY",
        retriever=next(name for name in found.deployments if name.startswith("Retriever")),
    )


def why_not_served(running: Running, fingerprint: str, config: EmbedderConfig | None) -> str | None:
    """Why the system cannot search vectors of this embedder, with what to do; None if it can.

    Args:
        running: the system.
        fingerprint: of the vectors.
        config: what they were made with, if that is known.
    """
    served = running.embedders.get(fingerprint)
    if served is None:
        advice = "" if config is None else f":\n\n{_lines_to_add(config)}\n"
        return (
            f"the running system does not serve {fingerprint!r}; add it to the `user_config` of "
            f"the Embedder's block and `serve deploy` that{advice}"
        )
    if not running.is_settled:
        return "the running system is being changed; wait until `serve status` says HEALTHY"
    for name in ("document_prefix", "max_tokens"):
        wanted, has = (getattr(one, name) for one in (config or served, served))
        if wanted != has:
            return f"the running system has {name}: {has!r} for this model, the vectors {wanted!r}"
    return None


def _lines_to_add(config: EmbedderConfig) -> str:
    lines = ["  also:", f"    - model: {config.model}"]
    if config.revision:
        lines.append(f"      revision: {config.revision}")
    return "\n".join([*lines, f"      engine: {config.engine}"])


def _call(application: str, deployment: str, method: str, *args: Any) -> Any:
    try:
        handle = serve.get_deployment_handle(deployment, application)
        return getattr(handle, method).remote(*args).result(timeout_s=_ANSWER_S)
    except (RayError, RayServeException, TimeoutError) as err:
        reason = (str(err).strip().splitlines() or [repr(err)])[0]
        raise SessionError(f"{deployment} of {application!r} does not answer: {reason}") from err
