"""The corpus must lie where every machine of the cluster reaches it."""

import ray

from models.errors import InvalidInputError


def refuse_unshared_database(url: str) -> None:
    """Refuses a SQLite file when the replicas that need it can sit on several machines.

    Raises:
        InvalidInputError: the cluster has more than one machine and the URL names SQLite.
    """
    if not url.startswith("sqlite") or not ray.is_initialized():
        return
    machines = {node["NodeManagerAddress"] for node in ray.nodes() if node["Alive"]}
    if len(machines) > 1:
        msg = (
            f"the corpus is in SQLite, a file of one machine, but the cluster has {len(machines)} "
            "machines; set RAGFLEET_DATABASE_URL to a PostgreSQL database"
        )
        raise InvalidInputError(msg)
