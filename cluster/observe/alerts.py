"""What somebody has to look at: every alert with what to do about it.

`python -m cluster.observe` writes them for Prometheus into `rules.yml`, and for people into
docs/runbook.md. What to do is a line or two each.
"""

from dataclasses import dataclass
from typing import Literal

from cluster.observe.panel import FAILED


@dataclass(frozen=True, kw_only=True)
class Alert:
    """One alert.

    Attributes:
        wait: how long it must hold.
        says: what is wrong; `{{ $value }}` and `{{ $labels.x }}` are filled in.
        runbook: what to do.
    """

    name: str
    expr: str
    wait: str
    severity: Literal["page", "ticket"]
    says: str
    runbook: str


_ALL = "sum(rate(ray_ragfleet_requests_total[5m]))"
# How Serve's controller tells, all the time, what a deployment is; below this it has failed. What
# it tells of a replica ends with the replica, so a lost one is missing, and not unhealthy.
_UPDATING = 3
_WANTED = "max by (deployment) (ray_serve_autoscaling_target_replicas)"
_HEALTHY = "sum by (deployment) (ray_serve_deployment_replica_healthy)"
# Each replica counts all files: none says more than another one, nor does a new one.
_UNREAD = 'sum by (status, replica) (ray_ragfleet_files{status="failed"})'
_CHATS = 'sum(rate(ray_ragfleet_requests_total{operation="chat"}[30m]))'

ALERTS = (
    Alert(
        name="RagfleetDown", severity="page", wait="2m",
        expr='absent(ray_serve_deployment_replica_healthy{deployment="Gateway"} == 1)',
        says="no Gateway is healthy",
        runbook="`serve status` tells why; see the log of the Gateway's replica under "
        "`logs/serve/` of the Ray session, and `/readyz`.",
    ),
    Alert(
        name="RagfleetRequestsFail", severity="page", wait="5m",
        expr=f"sum(rate({FAILED}[5m])) / {_ALL} > 0.05 and sum(increase({FAILED}[5m])) > 4",
        says="{{ $value | humanizePercentage }} of the requests end with an error of the server",
        runbook="The panel `Errors of stages` names stage and error; `overloaded` wants more "
        "replicas, `unavailable` a look at that deployment.",
    ),
    Alert(
        name="RagfleetSlowFirstToken", severity="page", wait="10m",
        expr="histogram_quantile(0.95, sum by (le) "
        "(rate(ray_gen_ai_server_time_to_first_token_seconds_bucket[5m]))) > 10",
        says="one answer in twenty begins after {{ $value | humanizeDuration }}",
        runbook="`Time of stages` tells which: a slow `generate` wants more generators or fewer "
        "slots, a slow `rerank` more rerankers or fewer `num_candidates`.",
    ),
    Alert(
        name="RagfleetReplicaUnhealthy", severity="page", wait="5m",
        expr=f"min by (deployment) (ray_serve_deployment_status) < {_UPDATING}",
        says="a replica of {{ $labels.deployment }} is not healthy, and none takes its place",
        runbook="Serve tries again and again; `/v1/models` and `serve status` tell the reason, "
        "most often a model that cannot be loaded or a machine that has gone.",
    ),
    Alert(
        name="RagfleetReplicasMissing", severity="ticket", wait="30m",
        expr=f"{_WANTED} > ({_HEALTHY} or 0 * {_WANTED})",
        says="{{ $labels.deployment }} does not get the {{ $value }} replicas that it wants",
        runbook="`ray status` tells what no machine has room for; a replica that starts for so "
        "long has its reason in its log under `logs/serve/`.",
    ),
    Alert(
        name="RagfleetStageLeftOut", severity="ticket", wait="10m",
        expr=f"sum by (stage) (rate(ray_ragfleet_degraded_total[5m])) / ignoring(stage) group_left "
        f"{_ALL} > 0.1",
        says="{{ $value | humanizePercentage }} of the requests go on without {{ $labels.stage }}",
        runbook="`rerank` and `condense` left out mean that this model is away or that deadlines "
        "are short; answers are worse until it is back.",
    ),
    Alert(
        name="RagfleetDeclinesMuch", severity="ticket", wait="30m",
        expr='sum(rate(ray_ragfleet_requests_total{operation="chat",outcome="declined"}[30m]))'
        f" / {_CHATS} > 0.6",
        says="{{ $value | humanizePercentage }} of the chats find no answer",
        runbook="Look at some with `python -m graphs.explain`: documents may be missing, a store "
        "empty, or the threshold too high.",
    ),
    Alert(
        name="RagfleetQueueFull", severity="page", wait="5m",
        expr="sum by (deployment) (ray_serve_deployment_queued_queries) > 32",
        says="{{ $value }} calls wait for {{ $labels.deployment }}",
        runbook="Raise `max_replicas` of its block, or take load away; clients get 503 with "
        "`retry-after` once the queue is full.",
    ),
    Alert(
        name="RagfleetAnswersMove", severity="ticket", wait="10m",
        expr="sum(rate(ray_ragfleet_migrations_total[10m])) / "
        "sum(rate(ray_ragfleet_requests_total[10m])) > 0.05",
        says="generators are lost while they write",
        runbook="With a spot notice it is as it should be; without one, see the log of the "
        "generator replicas for the reason behind `migrating`.",
    ),
    Alert(
        name="RagfleetIngestionLags", severity="ticket", wait="10m",
        expr="max(ray_ragfleet_ingest_lag_seconds) > 900",
        says="a file has waited {{ $value | humanizeDuration }} to be read",
        runbook="The Ingester or the Embedder is away or busy; many documents are loaded faster "
        "with `python -m graphs.commands.ingest`.",
    ),
    Alert(
        name="RagfleetIngestionFails", severity="ticket", wait="0m",
        # Unlike `delta` exact, and none where files are deleted.
        expr=f"max by (status) ({_UNREAD}) - "
        f"min by (status) (min_over_time(({_UNREAD})[15m:])) > 0",
        says="{{ $value }} more files could not be read",
        runbook="`GET /v1/vector_stores/{id}/files?filter=failed` tells the reason of each.",
    ),
    Alert(
        name="RagfleetMemoryShort", severity="page", wait="5m",
        expr="sum by (ip) (ray_node_mem_used) / sum by (ip) (ray_node_mem_total) > 0.93",
        says="{{ $value | humanizePercentage }} of the memory of {{ $labels.ip }} is used",
        runbook="Ray kills workers at 95 %: `Memory by replica` names the largest; shards of the "
        "Retriever divide the index.",
    ),
    Alert(
        name="RagfleetSpotNotice", severity="ticket", wait="0m",
        expr="sum by (source, kind) (increase(spot_notices_total[5m])) > 0",
        says="the cloud takes a machine away ({{ $labels.source }}, {{ $labels.kind }})",
        runbook="Nothing to do: the node is drained and its streams move; many at once want "
        "another zone or on-demand machines.",
    ),
    Alert(
        name="RagfleetSpotWatcherBlind", severity="ticket", wait="10m",
        expr="min(spot_metadata_up) < 1",
        says="a spot watcher does not reach its cloud's metadata service",
        runbook="Without it a machine goes unannounced: see the log of `python -m cluster.spot` on "
        "that machine, and its firewall.",
    ),
    Alert(
        name="RagfleetNotScraped", severity="ticket", wait="5m",
        expr='up{job=~"ray|spot",optional=""} == 0',
        says="nothing is told by {{ $labels.job }} at {{ $labels.instance }}",
        runbook="What is not scraped raises no alert: see whether the process runs (`ray status`, "
        "`python -m cluster.spot`) and whether Prometheus reaches its port.",
    ),
)  # fmt: skip
