"""What the dashboards show: every panel with its queries.

`python -m cluster.observe` writes them for Grafana into `dashboards/`. A panel is never empty on a
system that has answered something: what seldom happens (a refusal, a move, a notice) is 0 until it
does.
"""

from collections.abc import Mapping

from cluster.observe.engine_panels import ENGINE_PANELS
from cluster.observe.panel import (
    ELSE_ZERO,
    FAILED,
    OF_MODEL,
    WINDOW,
    Dashboard,
    Panel,
    mean,
    quantile,
    rate,
    seldom,
)

_REQUESTS = "ray_ragfleet_requests_total"
_DURATION = "ray_gen_ai_server_request_duration_seconds"
_FIRST = "ray_gen_ai_server_time_to_first_token_seconds"
_EACH = "ray_gen_ai_server_time_per_output_token_seconds"
_STAGE = "ray_ragfleet_stage_duration_seconds"
_CHAT = 'operation="chat"'
_ANSWERED, _DECLINED = f'{_CHAT},outcome="answered"', f'{_CHAT},outcome="declined"'
_COST = "sum by (currency) (increase(ray_ragfleet_cost_total[1h]))"
_STORE = 'store=~"$store"'

OVERVIEW = Dashboard(
    title="Ragfleet: overview",
    panels=(
        Panel(
            title="Requests by end",
            queries={"{{operation}} {{outcome}}": rate(_REQUESTS, "operation, outcome")},
            unit="reqps", says="answered, declined, refused, cancelled, or the code of an error",
        ),
        Panel(
            title="Failed", unit="percentunit",
            queries={
                "share": f"(sum(rate({FAILED}[{WINDOW}])){ELSE_ZERO}) / {rate(_REQUESTS)}"
            },
            says="requests that an error of the server ended; not what clients ask in vain",
        ),
        Panel(
            title="Declined", unit="percentunit",
            queries={
                "share": f"({rate(_REQUESTS, where=_DECLINED)}{ELSE_ZERO}) / "
                f"({rate(_REQUESTS, where=_CHAT)} > 0 or vector(1))"
            },
            says="chats whose documents hold no answer: rises when documents are missing",
        ),
        Panel(
            title="HTTP by status", unit="reqps",
            queries={"{{status_code}}": rate("ray_serve_num_http_requests_total", "status_code")},
        ),
        Panel(
            title="Time of a request", unit="s",
            queries={
                f"p{int(100 * share)} {{{{gen_ai_operation_name}}}}": quantile(
                    share, _DURATION, "gen_ai_operation_name"
                )
                for share in (0.5, 0.95)
            },
        ),
        Panel(
            title="Time to first token", unit="s",
            queries={
                f"p{int(100 * share)}": quantile(share, _FIRST) for share in (0.5, 0.95, 0.99)
            },
        ),
        Panel(
            title="Time per output token", unit="s",
            queries={f"p{int(100 * share)}": quantile(share, _EACH) for share in (0.5, 0.95)},
        ),
        Panel(
            title="Tokens", queries={
                "{{type}} {{stage}}": rate("ray_ragfleet_tokens_total", "type, stage")
            }, says="a second, read and written",
        ),
        Panel(
            title="Tokens of an answer",
            queries={
                "mean {{gen_ai_token_type}}": mean(
                    "ray_gen_ai_client_token_usage", "gen_ai_token_type"
                )
            },
        ),
        Panel(
            title="Time of stages, p95", unit="s",
            queries={"{{stage}}": quantile(0.95, _STAGE, "stage")},
        ),
        Panel(
            title="Errors of stages", unit="reqps",
            queries={
                "{{stage}} {{error_type}}": seldom(
                    "ray_ragfleet_stage_errors_total", "stage, error_type"
                )
            },
        ),
        Panel(
            title="Went on without a stage", unit="reqps",
            queries={"{{stage}}": seldom("ray_ragfleet_degraded_total", "stage")},
        ),
        Panel(
            title="Refused by category", unit="reqps",
            queries={
                "{{what}} {{category}}": seldom("ray_ragfleet_refusals_total", "what, category")
            },
        ),
        Panel(
            title="Answers that moved", unit="reqps",
            queries={"moves": seldom("ray_ragfleet_migrations_total", "")},
            says="generations that went on at another replica",
        ),
        Panel(
            title="Answers by generator", unit="reqps",
            queries={"{{writer}}": seldom("ray_ragfleet_written_answers_total", "writer")},
            says="`fallback` is the server elsewhere",
        ),
        Panel(
            title="Cost of an hour",
            queries={"{{currency}}": f"{_COST}{ELSE_ZERO}"},
            says="by observing.prices of the Gateway's settings",
        ),
        Panel(
            title="Cost of an answer",
            queries={
                "{{currency}}": f"{_COST} / on() group_left() "
                f"(sum(increase({_REQUESTS}{{{_ANSWERED}}}[1h])) > 0){ELSE_ZERO}"
            },
            says="what all chats of an hour cost, the declined ones too, by those answered",
        ),
        Panel(title="Files that wait", queries={"jobs": "max(ray_ragfleet_ingest_jobs)"}),
        Panel(
            title="Longest wait for ingestion", unit="s",
            queries={"lag": "max(ray_ragfleet_ingest_lag_seconds)"},
        ),
    ),
)  # fmt: skip

MODEL = Dashboard(
    title="Ragfleet: one model",
    variables={"model": "label_values(ray_ragfleet_memory_bytes, deployment)"},
    panels=(
        Panel(
            title="Items of a batch",
            queries={"mean {{model}}": mean("ray_ragfleet_batch_items", "model", OF_MODEL)},
        ),
        Panel(
            title="Batches a second", unit="ops",
            queries={"{{model}}": rate("ray_ragfleet_batch_items_count", "model", OF_MODEL)},
        ),
        Panel(
            title="Time of a batch, p95", unit="s",
            queries={
                "{{model}}": quantile(
                    0.95, "ray_ragfleet_batch_duration_seconds", "model", OF_MODEL
                )
            },
        ),
        Panel(
            title="Calls that wait for the next batch",
            queries={
                "{{model}}": f"sum by (model) (ray_ragfleet_batch_waiting_calls{{{OF_MODEL}}})"
            },
        ),
        Panel(
            title="Memory by replica", unit="bytes",
            queries={
                "{{deployment}} {{replica}} {{device}}": f"ray_ragfleet_memory_bytes{{{OF_MODEL}}}"
            },
            says="of the GPU where the replica has one, else main memory",
        ),
        *ENGINE_PANELS,
        Panel(
            title="Calls in work",
            queries={
                "{{deployment}}": "sum by (deployment) "
                f"(ray_serve_replica_processing_queries{{{OF_MODEL}}})"
            },
        ),
        Panel(
            title="Calls in queues",
            queries={
                "{{deployment}}": "sum by (deployment) "
                f"(ray_serve_deployment_queued_queries{{{OF_MODEL}}})"
            },
        ),
    ),
)  # fmt: skip

STORE = Dashboard(
    title="Ragfleet: one store",
    variables={"store": "label_values(ray_ragfleet_index_passages, store)"},
    panels=(
        Panel(
            title="Passages that are searched",
            queries={"{{store}}": f"sum by (store) (ray_ragfleet_index_passages{{{_STORE}}})"},
            says="the largest stores, and `other`: all the rest",
        ),
        Panel(
            title="Memory of the index", unit="bytes",
            queries={
                "{{store}}": f"sum by (store) (ray_ragfleet_index_memory_bytes{{{_STORE}}})"
            },
            says="estimated, of all replicas together; docs/observing.md",
        ),
        Panel(
            title="Best relevance of a request",
            queries={
                f"{name} {{{{scorer}}}}": quantile(
                    share, "ray_ragfleet_retrieval_score", "scorer", _STORE
                )
                for name, share in (("median", 0.5), ("p10", 0.1))
            },
            says="whose best passage is of the store; falls when no document says what is asked",
        ),
        Panel(
            title="Passages of an answer",
            queries={"mean": mean("ray_ragfleet_passages_given", where=_STORE)},
        ),
        Panel(
            title="Files by status",
            queries={
                "{{status}}": "sum by (status) (max by (status, store) "
                f"(ray_ragfleet_files{{{_STORE}}}))"
            },
            says="`in_progress`: they wait, or are read",
        ),
    ),
)  # fmt: skip

CLUSTER = Dashboard(
    title="Ragfleet: spot and cluster",
    panels=(
        Panel(
            title="Replicas that are healthy",
            queries={
                "{{deployment}}": "sum by (deployment) (ray_serve_deployment_replica_healthy)"
            },
        ),
        Panel(
            title="Replicas that are wanted",
            queries={
                "{{deployment}}": "max by (deployment) (ray_serve_autoscaling_target_replicas)"
            },
        ),
        Panel(
            title="Nodes", queries={"nodes": "count(ray_node_cpu_count)"},
        ),
        Panel(
            title="CPU", unit="percent",
            queries={"{{ip}}": "avg by (ip) (ray_node_cpu_utilization)"},
        ),
        Panel(
            title="Main memory", unit="percentunit",
            queries={
                "{{ip}}": "sum by (ip) (ray_node_mem_used) / sum by (ip) (ray_node_mem_total)"
            },
        ),
        Panel(
            title="GPU memory", unit="percentunit",
            queries={
                "{{ip}} {{GpuIndex}}": "sum by (ip, GpuIndex) (ray_node_gram_used) / sum by "
                f"(ip, GpuIndex) (ray_node_gram_used + ray_node_gram_available){ELSE_ZERO}"
            },
        ),
        Panel(
            title="Spot notices", unit="short",
            queries={
                "{{source}} {{kind}}": "sum by (source, kind) (increase(spot_notices_total[1h]))"
                f"{ELSE_ZERO}"
            },
        ),
        Panel(
            title="Nodes that are drained",
            queries={"draining": f"sum(spot_node_draining){ELSE_ZERO}"},
        ),
        Panel(
            title="From notice to drain, p95", unit="s",
            queries={
                "p95": "histogram_quantile(0.95, sum by (le) "
                f"(rate(spot_notice_to_drain_seconds_bucket[1h]))){ELSE_ZERO}"
            },
        ),
    ),
)  # fmt: skip

DASHBOARDS: Mapping[str, Dashboard] = {
    "overview": OVERVIEW,
    "model": MODEL,
    "store": STORE,
    "cluster": CLUSTER,
}
