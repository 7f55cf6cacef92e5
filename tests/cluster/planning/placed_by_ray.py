"""Asks real Ray nodes for replicas one by one, and writes down what Ray did with each.

python placed_by_ray.py NUMBER prints a line for the nodes as Ray tells them, and one for each of
the `cases` of `ray_cases.py`. Serve asks for all replicas at once, and which comes first is chance;
here each is asked for when the one before stands, so that the order is known.

Replicas of Serve are actors; most here are tasks, whose processes are used again. Ray places both
by the same rules.
"""

import json
import os
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import ray
from ray.cluster_utils import Cluster

from tests.cluster.planning.ray_cases import NODES, Replayed, cases

PLACED_S = 60  # until a replica stands: a busy machine starts processes slowly
EITHER_S = 6  # where the plan allows both: a node is picked whose rest is in pieces
LATE_S = 3  # at the end, for what nobody expects
KNOWN_S = 0.2  # until all raylets know what is taken
FREED_S = 60


def stand(folder, number):
    """Tells where it runs, and stays until the case is over."""
    told = {"node": ray.get_runtime_context().get_node_id(), "gpus": ray.get_gpu_ids()}
    part = Path(folder, f".{number}")
    part.write_text(json.dumps(told))
    part.rename(Path(folder, str(number)))
    while not Path(folder, "over").exists():
        time.sleep(0.1)


@ray.remote(max_calls=0)
def task(folder, number):
    stand(folder, number)


@ray.remote
class Replica:
    def stand(self, folder, number):
        stand(folder, number)


def asked(one, folder, number, *, as_actor):
    """Asks as Serve does: spread, first choice first."""
    first, *others = one["selectors"]
    options = {
        "num_cpus": one["cpu"], "num_gpus": one["gpu"], "scheduling_strategy": "SPREAD",
        "label_selector": first, "fallback_strategy": [{"label_selector": o} for o in others],
    }  # fmt: skip
    if as_actor:
        actor = Replica.options(**options).remote()
        return actor, actor.stand.remote(folder, number)
    return None, task.options(**options).remote(folder, number)


def found(folder, number, timeout_s):
    """Where a replica stands, once it does; None: it has no place for so long."""
    path, deadline = Path(folder, str(number)), time.monotonic() + timeout_s
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    return json.loads(path.read_text()) if path.exists() else None


class Asking:
    """A case under way: what Ray has done so far, beside the plan."""

    def __init__(self, case, labels, folder):
        self.case, self.labels, self.folder = case, labels, folder
        self.replayed = Replayed()
        self.calls, self.told, self.faults = [], [], []
        self.held_up = []  # wait at a node whose rest is in pieces, while another has room

    def ask(self, number, one):
        """Asks for a replica and waits until it stands, as long as the plan allows that."""
        picked, roomy = self.replayed.expected(one)
        self.calls.append(asked(one, self.folder, number, as_actor=self.case["actors"]))
        patience_s = (PLACED_S if picked == roomy else EITHER_S) if roomy else 0
        answer = self.answer(number, patience_s)
        self.told.append(answer)
        self.faults.append(self.replayed.fault(one, answer))
        if answer is None and roomy:
            self.held_up.append(number)
        time.sleep(KNOWN_S)

    def answer(self, number, timeout_s):
        answer = found(self.folder, number, timeout_s)
        return answer and {**answer, "node": self.labels[answer["node"]]}

    def try_held_up(self):
        """Whatever happens at its node has Ray look for another one for what waits there."""
        for number in list(self.held_up):
            answer = self.answer(number, 0)
            if answer is not None:
                self.held_up.remove(number)
                self.told[number] = answer
                self.faults[number] = self.replayed.fault(self.case["wanted"][number], answer)

    def late(self):
        """Those that stand though there was no place."""
        return [n for n, one in enumerate(self.told) if one is None and self.answer(n, 0)]


def placed(case, labels):
    """What Ray did with each replica of a case, and what of it the plan does not expect."""
    with TemporaryDirectory(dir=os.environ["RAY_TMPDIR"]) as folder:
        asking = Asking(case, labels, folder)
        for number, one in enumerate(case["wanted"]):
            asking.try_held_up()
            asking.ask(number, one)
        if None in asking.told:
            time.sleep(LATE_S)
        asking.try_held_up()
        late = asking.late()
        end(folder, asking.calls, asking.told)
    return {"placed": asking.told, "faults": asking.faults, "late": late}


def end(folder, calls, told):
    """Ends all replicas, and waits until their places are free."""
    for (actor, call), answer in zip(calls, told, strict=True):
        if actor is None and answer is None:
            ray.cancel(call)
    Path(folder, "over").touch()
    for actor, _ in calls:
        if actor is not None:
            ray.kill(actor)
    deadline, whole = time.monotonic() + FREED_S, ray.cluster_resources()
    while any(ray.available_resources().get(name) != whole[name] for name in ("CPU", "GPU")):
        if time.monotonic() > deadline:
            raise TimeoutError("replicas that have ended still hold their places")
        time.sleep(0.1)


def printed(value):
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def main(number):
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "num_gpus": 0})
    for one in NODES.values():
        cluster.add_node(num_cpus=one.cpus, num_gpus=one.gpus, labels=dict(one.labels))
    cluster.wait_for_nodes()
    ray.init(cluster.address, log_to_driver=False)
    nodes = ray.nodes()
    printed([{key: node[key] for key in ("Alive", "Resources", "Labels")} for node in nodes])
    labels = {node["NodeID"]: node["Labels"].get("node") for node in nodes}
    for case in cases(number):
        printed(placed(case, labels))
    ray.shutdown()
    cluster.shutdown()


if __name__ == "__main__":
    main(int(sys.argv[1]))
