"""A spot node beside a running system, which gets notices of its end."""

import os
import re
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count

import httpx

from tests.end_to_end.conftest import ray_start
from tests.ray_environment import ROOT, ray_environment

FOUND_S = 60
END_S = 600  # after the test, so that the watcher is there to be scraped


@dataclass
class SpotNode:
    """What the cloud tells of it.

    Attributes:
        metadata: where the stand-in for the cloud's metadata service answers.
        ends: of the machine, in seconds from now; each is another notice.
    """

    metadata: str
    ends: count

    def give_notice(self):
        """Advises to leave, and says that the machine goes."""
        for kind in ("rebalance", "terminate"):
            told = {"cloud": "aws", "kind": kind, "in_s": next(self.ends)}
            httpx.post(f"{self.metadata}/_control", json=told, timeout=10).raise_for_status()


@contextmanager
def started(*arguments, pattern, **options):
    """Runs a program of ours until the block ends; gives what a line of it matches."""
    with subprocess.Popen(
        [sys.executable, "-u", "-m", *arguments], cwd=ROOT, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, **options,
    ) as process:  # fmt: skip
        try:
            told = []
            for line in process.stdout:
                told.append(line)
                if found := re.search(pattern, line):
                    break
            else:
                raise AssertionError("".join(told))
            yield found[1]
        finally:
            process.kill()


def id_of_spot_node(url):
    """The id of the node, once the system knows of it."""
    deadline = time.monotonic() + FOUND_S
    while time.monotonic() < deadline:
        nodes = httpx.get(f"{url}/admin/v1/system", timeout=30).json()["nodes"]
        if found := [one["id"] for one in nodes if one["market"] == "spot" and one["alive"]]:
            return found[0]
        time.sleep(0.5)
    raise AssertionError("the node is not seen")


@contextmanager
def watched_spot_node(cluster, metrics_port):
    """A node without CPUs, so that nothing is placed there, and the watcher of its end."""
    environment = {**os.environ, **ray_environment(cluster.folder)}
    labels = "--labels=ray.io/market-type=spot"
    ray_start(cluster.folder, f"--address={cluster.address}", "--num-cpus=0", labels)
    node = id_of_spot_node(cluster.system.url)
    fake = ("cluster.fake_metadata", "--port=0", "--clouds=aws")
    with started(*fake, pattern=r"(http://\S+)") as metadata:
        watcher = (
            "cluster.spot", f"--address={cluster.address}", f"--node-id={node}", "--cloud=aws",
            f"--metadata-url={metadata}", "--poll-s=0.2", f"--metrics-port={metrics_port}",
        )  # fmt: skip
        with started(*watcher, pattern=r"watching node_id=(\S+)", env=environment):
            yield SpotNode(metadata, count(END_S))
