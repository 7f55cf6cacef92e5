"""The scenarios by name, each with its size in full."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from chaos.arena import Arena, Size
from chaos.report import Report
from chaos.scenarios.corpus_scenarios import corpus_kill, retriever_kill
from chaos.scenarios.ingester_scenario import ingester_kill
from chaos.scenarios.node_scenarios import NoticeSettings, drain, node_kill
from chaos.scenarios.overload_scenario import overload
from chaos.scenarios.replica_scenarios import (
    controller_kill,
    freeze,
    gateway_kill,
    outage,
    replica_kill,
)


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One scenario.

    Attributes:
        size: of a full run; `--requests` and its kin change it.
        changes: of the served config while it runs, where the system is ours; see `Fleet.deploy`.
        is_long: whether it must be named, since `all` leaves it out; `make durability` runs it.
    """

    run: Callable[[Arena, Size], Awaitable[Report]]
    size: Size
    changes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    is_long: bool = False


# So few slots that they are the limit, and not the two cores that the client shares; and no long
# wait for one, since a request that gets none has then waited for nothing.
_FEW_SLOTS: Mapping[str, Mapping[str, Any]] = {
    "Gateway": {"user_config": {"timeouts": {"slot_s": 0.5}}},
    "Generator": {
        "max_ongoing_requests": 2,
        "max_queued_requests": 1,
        "user_config": {"max_concurrent_requests": 2},
    },
}
# A second ingester, so that one is often killed while the other writes; the third retriever.
_TWO_INGESTERS: Mapping[str, Mapping[str, Any]] = {
    "Ingester": {"autoscaling_config": {"min_replicas": 2, "max_replicas": 2}},
}
_THREE_RETRIEVERS: Mapping[str, Mapping[str, Any]] = {
    "Retriever": {"autoscaling_config": {"min_replicas": 3, "max_replicas": 3}},
}


def scenarios(notice: NoticeSettings) -> Mapping[str, Scenario]:
    """Gives all scenarios in the order in which they are run."""
    return {
        "node-kill": Scenario(
            run=node_kill, size=Size(num_requests=2000, rate=2.0, max_tokens=4, num_faults=5)
        ),
        "replica-kill": Scenario(
            run=replica_kill, size=Size(num_requests=200, rate=1.0, max_tokens=200)
        ),
        "freeze": Scenario(run=freeze, size=Size(num_requests=8, rate=5.0, max_tokens=120)),
        "drain": Scenario(
            run=partial(drain, settings=notice), size=Size(num_requests=60, rate=1.5, max_tokens=60)
        ),
        "drain-long": Scenario(
            run=partial(drain, settings=replace(notice, notice_s=120.0)),
            size=Size(num_requests=60, rate=1.5, max_tokens=60),
        ),
        "controller-kill": Scenario(
            run=controller_kill, size=Size(num_requests=200, rate=5.0, max_tokens=4, num_faults=2)
        ),
        "outage": Scenario(run=outage, size=Size(num_requests=8, rate=8.0, max_tokens=80)),
        "gateway-kill": Scenario(
            run=gateway_kill, size=Size(num_requests=100, rate=0.5, max_tokens=100, num_faults=5)
        ),
        "ingester-kill": Scenario(
            run=ingester_kill, size=Size(num_requests=200, rate=4.0, max_tokens=4)
        ),
        "overload": Scenario(
            run=overload, size=Size(num_requests=80, rate=1.0, max_tokens=40), changes=_FEW_SLOTS
        ),
        "corpus-kill": Scenario(
            run=corpus_kill,
            size=Size(num_requests=1, rate=8.0, max_tokens=1, num_faults=300),
            changes=_TWO_INGESTERS,
            is_long=True,
        ),
        "retriever-kill": Scenario(
            run=retriever_kill,
            size=Size(num_requests=1200, rate=10.0, max_tokens=1, num_passages=100_000),
            changes=_THREE_RETRIEVERS,
            is_long=True,
        ),
    }
