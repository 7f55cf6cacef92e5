"""Lines of ours stand in the logs that Serve keeps of a replica; outside of one nothing changes."""

import logging

from ray import serve

from deployments.observing.logs import join_serve_logs


def test_outside_a_replica_loggers_stay_where_they_are():
    join_serve_logs()
    assert logging.getLogger("graphs").parent is logging.getLogger()


def test_in_a_replica_they_write_where_serve_does(monkeypatch):
    monkeypatch.setattr(serve, "get_replica_context", object)
    own = {name: logging.getLogger(name) for name in ("models", "index", "deployments", "graphs")}
    try:
        join_serve_logs()
        assert {logger.parent.name for logger in own.values()} == {"ray.serve"}
        level = logging.getLogger("ray.serve").getEffectiveLevel()
        assert logging.getLogger("graphs.pipeline.trace").getEffectiveLevel() == level
    finally:
        for logger in own.values():
            logger.parent = logging.getLogger()
