"""Starts replicas on real Ray nodes and prints how many found a place.

Input: {"nodes": [[cpus, gpus, labels]], "cases": [[{name, count, gpu, selectors}]]}.
"""

import json
import sys
import time

import ray
from ray.cluster_utils import Cluster

QUIET_S = 10  # after so long without a new one, those that are not there have no place
FIRST_S = 120  # for the first: a busy machine starts its processes slowly


@ray.remote
class Replica:
    def is_there(self):
        return True


def started(one):
    """Asks for replicas as Serve does: each by itself, spread, first choice first."""
    first, *others = one["selectors"]
    options = {
        "num_cpus": 1, "num_gpus": one["gpu"], "scheduling_strategy": "SPREAD",
        "label_selector": first, "fallback_strategy": [{"label_selector": o} for o in others],
    }  # fmt: skip
    return [Replica.options(**options).remote() for _ in range(one["count"])]


def settled(calls):
    """The calls that are answered, once no further one is for a while."""
    ready, waiting = ray.wait(calls, num_returns=1, timeout=FIRST_S)
    found = list(ready)
    while ready and waiting:
        ready, waiting = ray.wait(waiting, num_returns=1, timeout=QUIET_S)
        found += ready
    return found


def placed(case):
    actors = {one["name"]: started(one) for one in case}
    calls = {actor.is_there.remote(): name for name, found in actors.items() for actor in found}
    ready = settled(list(calls))
    counts = dict.fromkeys(actors, 0)
    for call in ready:
        counts[calls[call]] += 1
    for found in actors.values():
        for actor in found:
            ray.kill(actor)
    deadline = time.monotonic() + 20
    whole = ray.cluster_resources()
    while ray.available_resources().get("GPU") != whole["GPU"] and time.monotonic() < deadline:
        time.sleep(0.1)
    return counts


def main():
    given = json.load(sys.stdin)
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "num_gpus": 0})
    for cpus, gpus, labels in given["nodes"]:
        cluster.add_node(num_cpus=cpus, num_gpus=gpus, labels=labels)
    cluster.wait_for_nodes()
    ray.init(cluster.address, log_to_driver=False)
    found = [placed(case) for case in given["cases"]]
    nodes = [{key: node[key] for key in ("Alive", "Resources", "Labels")} for node in ray.nodes()]
    sys.stdout.write(json.dumps({"placed": found, "nodes": nodes}) + "\n")
    ray.shutdown()
    cluster.shutdown()


main()
