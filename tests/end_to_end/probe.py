"""A process inside a Ray cluster that answers questions about it, one JSON line each.

Ray reads its authentication mode when it is imported, so the process of the tests cannot join.
"""

import json
import sys
from dataclasses import asdict

import ray
from ray import serve


def answer(question: str) -> object:
    """Answers `nodes`, `describe NAME`, `active` (streams that hold a slot), `recent STORE`.

    `lose NAME` ends an engine (life_app.py).
    """
    command, *names = question.split()
    if command == "nodes":
        return {node["NodeID"]: node["Labels"] for node in ray.nodes() if node["Alive"]}
    if command == "recent":
        retriever = serve.get_deployment_handle("Retriever", "ragfleet")
        return retriever.recent_queries.remote(names[0]).result(timeout_s=30)
    handle = serve.get_deployment_handle(names[0] if names else "Generator", "ragfleet")
    if command == "lose":
        handle.lose_engine.remote()
        return None
    if command == "active":
        return handle.num_active_streams.remote().result(timeout_s=30)
    return asdict(handle.describe.remote().result(timeout_s=30))


def main() -> None:
    """Answers until the input ends."""
    ray.init(address=sys.argv[1], namespace="serve", log_to_driver=False, logging_level="error")
    for line in sys.stdin:
        print(json.dumps(answer(line)), flush=True)


if __name__ == "__main__":
    main()
