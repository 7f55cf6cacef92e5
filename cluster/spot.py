"""`python -m cluster.spot`: watches for the end of this machine and drains its Ray node in time.

One small process per node beside `ray start`, not a Ray actor: it must work while Ray is in
trouble. A notice that the machine will be taken away drains the node through Ray, so that Serve
starts replacements elsewhere before it stops what runs here; SIGTERM counts as such a notice.
A recommendation to rebalance is only logged and counted. Nothing here stops Ray: an idle draining
node leaves by itself, and the cloud takes the machine.
"""

import argparse
import asyncio
import logging
import math
import os
import signal
import sys
import time

from prometheus_client import start_http_server

from cluster.cloud_detection import CLOUDS, open_source
from cluster.clouds import METADATA_URL
from cluster.drain import DrainError, GcsUnreachableError, NodeNotFoundError, RayNode, connect
from cluster.notices import NoticeSource
from cluster.spot_watcher import RETRY_S, NodeLostError, SpotMetrics, Watcher, WatchSettings

_EPILOG = """
Exit status: 0 the node has left after a drain, or Ctrl-C; 1 the node was not empty at the deadline
of SIGTERM; 2 it could not start; 3 the node left without a notice. Run it under a supervisor that
starts it anew together with `ray start`.

Environment: Ray reads RAY_AUTH_MODE, RAY_AUTH_TOKEN and RAY_AUTH_TOKEN_PATH, which must be those
of `ray start`. RAY_ADDRESS is the default of --address. Proxies are never used for metadata.
In a container on EC2 the hop limit of the metadata service must be 2 or more.
"""

_logger = logging.getLogger("cluster.spot")


def main() -> None:
    """Runs the command line."""
    arguments = _parse()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        sys.exit(run(arguments))
    except KeyboardInterrupt:
        _logger.info("stopped")
    except NodeLostError as err:
        _logger.error("%s", err)
        sys.exit(3)
    except (DrainError, OSError, ValueError) as err:
        _logger.error("%s", err)
        sys.exit(2)


def run(arguments: argparse.Namespace) -> int:
    """Tests that the node can be drained, then watches.

    Returns:
        The exit status.

    Raises:
        DrainError: the self-test failed.
        NodeLostError: the node left without a notice.
        OSError: the metrics port is taken.
    """
    settings = WatchSettings(
        margin_s=arguments.margin_s, default_notice_s=arguments.sigterm_notice_s
    )
    source = open_source(arguments.cloud, arguments.metadata_url, poll_s=arguments.poll_s)
    node = _join(arguments)
    metrics = SpotMetrics()
    server, thread = start_http_server(
        arguments.metrics_port, addr=arguments.metrics_host, registry=metrics.registry
    )
    _logger.info(
        "watching node_id=%s cloud=%s metrics_port=%s",
        node.node_id, arguments.cloud, server.server_port,
    )  # fmt: skip
    try:
        return asyncio.run(_watch(Watcher(node, settings, metrics), source))
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


async def _watch(watcher: Watcher, source: NoticeSource) -> int:
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, watcher.terminate)
    return 0 if await watcher.run(source) else 1


def _join(arguments: argparse.Namespace) -> RayNode:
    """Finds the node; `ray start` may still be at work, so it is looked for until the timeout."""
    end_s = time.monotonic() + arguments.join_timeout_s
    told = False
    while True:
        try:
            return connect(arguments.address, arguments.node_id)
        except (GcsUnreachableError, NodeNotFoundError) as err:
            if time.monotonic() >= end_s:
                raise
            if not told:
                _logger.info("waiting for the node: %s", err)
            told = True
        time.sleep(RETRY_S)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m cluster.spot", description=__doc__, epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    address = os.environ.get("RAY_ADDRESS", "")
    option = parser.add_argument
    option("--address", default=address, required=not address, help="GCS, host:port")
    option("--node-id", default="", help="hex id; default: the living node on this machine")
    option("--cloud", choices=("auto", *CLOUDS), default="auto", help="default: %(default)s")
    option("--metadata-url", default=METADATA_URL, help="default: %(default)s")
    option("--poll-s", type=_seconds, default=1.0, help="between two questions (%(default)s s)")
    option("--margin-s", type=_seconds, default=WatchSettings.margin_s,
           help="how long before the end Ray takes the node for gone (%(default)s s)")  # fmt: skip
    option("--sigterm-notice-s", type=_seconds, default=30.0, help="time left after SIGTERM, or "
           "after a notice that names no time (%(default)s s)")  # fmt: skip
    option("--join-timeout-s", type=_seconds, default=60.0, help="to find the node (%(default)s s)")
    option("--metrics-host", default="127.0.0.1", help="default: %(default)s")
    option("--metrics-port", type=int, default=9465, help="0 is any free one (%(default)s)")
    return parser.parse_args()


def _seconds(text: str) -> float:
    value = float(text)
    if not (math.isfinite(value) and value >= 0):
        msg = f"must be 0 s or more, got {text}"
        raise argparse.ArgumentTypeError(msg)
    return value


if __name__ == "__main__":
    main()
