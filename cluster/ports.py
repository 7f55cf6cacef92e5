"""Ports of this machine for clusters that must not meet."""

import socket


def free_port() -> int:
    """Gives a port of the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
