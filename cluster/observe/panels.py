"""What the dashboards show: every panel with its queries.

`python -m cluster.observe` writes them for Grafana into `dashboards/`. A panel is never empty on a
system that has answered something: what seldom happens (a refusal, a move, a notice) is 0 until it
does.
"""

from collections.abc import Mapping

from cluster.observe.engine_panels import ENGINE_PANELS
from cluster.observe.panel import Dashboard, Panel, mean, quantile, rate, seldom

_REQUESTS = "ray_ragfleet_requests_total"
_DURATION = "ray_gen_ai_server_request_duration_seconds"
_FIRST = "ray_gen_ai_server_time_to_first_token_seconds"
_EACH = "ray_gen_ai_server_time_per_output_token_seconds"
_STAGE = "ray_ragfleet_stage_duration_seconds"
_MODEL = 'model=~"$model"'
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
                "share": "(sum(rate(ray_ragfleet_requests_total"
                '{outcome!~"answered|declined|refused|cancelled"}[$__rate_interval])) or vector(0))'
                f" / {rate(_REQUESTS)}"
            },
            says="requests that an error ended",
        ),
        Panel(
            title="Declined", unit="percentunit",
            queries={
                "share": "(sum(rate(ray_ragfleet_requests_total"
                '{operation="chat",outcome="declined"}[$__rate_interval])) or vector(0))'
                """ / (sum(rate(ray_ragfleet_requests_total{operation="chat"}"""
                "[$__rate_interval])) > 0 or vector(1))"
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
            queries={"{{currency}}": "sum by (currency) "
                     "(increase(ray_ragfleet_cost_total[1h])) or vector(0)"},
            says="by observing.prices of the Gateway's settings",
        ),
        Panel(
            title="Cost of an answer",
            queries={
                "{{currency}}": "sum by (currency) (increase(ray_ragfleet_cost_total[1h])) / on() "
                "group_left() (sum(increase(ray_ragfleet_requests_total"
                '{operation="chat",outcome="answered"}[1h])) > 0) or vector(0)'
            },
            says="what all chats of an hour cost, the declined ones too, by those answered",
        ),
    ),
)  # fmt: skip

MODEL = Dashboard(
    title="Ragfleet: one model",
    variables={"model": "label_values(ray_ragfleet_batch_items_count, model)"},
    panels=(
        Panel(
            title="Items of a batch",
            queries={"mean {{model}}": mean("ray_ragfleet_batch_items", "model", _MODEL)},
        ),
        Panel(
            title="Batches a second", unit="ops",
            queries={"{{model}}": rate("ray_ragfleet_batch_items_count", "model", _MODEL)},
        ),
        Panel(
            title="Time of a batch, p95", unit="s",
            queries={
                "{{model}}": quantile(0.95, "ray_ragfleet_batch_duration_seconds", "model", _MODEL)
            },
        ),
        Panel(
            title="Calls that wait for the next batch",
            queries={
                "{{model}}": f"sum by (model) (ray_ragfleet_batch_waiting_calls{{{_MODEL}}})"
            },
        ),
        Panel(
            title="Memory by replica", unit="bytes",
            queries={"{{deployment}} {{replica}} {{device}}": "ray_ragfleet_memory_bytes"},
            says="of the GPU where the replica has one, else main memory",
        ),
        *ENGINE_PANELS,
        Panel(
            title="Calls in work",
            queries={
                "{{deployment}}": "sum by (deployment) (ray_serve_replica_processing_queries)"
            },
        ),
        Panel(
            title="Calls in queues",
            queries={
                "{{deployment}}": "sum by (deployment) (ray_serve_deployment_queued_queries)"
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
                "median {{scorer}}": quantile(0.5, "ray_ragfleet_retrieval_score", "scorer"),
                "p10 {{scorer}}": quantile(0.1, "ray_ragfleet_retrieval_score", "scorer"),
            },
            says="falls when questions are about what no document says",
        ),
        Panel(
            title="Passages of an answer",
            queries={"mean": mean("ray_ragfleet_passages_given")},
        ),
        Panel(
            title="Files by status",
            queries={"{{status}}": "max by (status) (ray_ragfleet_files)"},
        ),
        Panel(title="Files that wait", queries={"jobs": "max(ray_ragfleet_ingest_jobs)"}),
        Panel(
            title="Longest wait for ingestion", unit="s",
            queries={"lag": "max(ray_ragfleet_ingest_lag_seconds)"},
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
                "(ip, GpuIndex) (ray_node_gram_used + ray_node_gram_available) or vector(0)"
            },
        ),
        Panel(
            title="Spot notices", unit="short",
            queries={
                "{{source}} {{kind}}": "sum by (source, kind) (increase(spot_notices_total[1h])) "
                "or vector(0)"
            },
        ),
        Panel(
            title="Nodes that are drained",
            queries={"draining": "sum(spot_node_draining) or vector(0)"},
        ),
        Panel(
            title="From notice to drain, p95", unit="s",
            queries={
                "p95": "histogram_quantile(0.95, sum by (le) "
                "(rate(spot_notice_to_drain_seconds_bucket[1h]))) or vector(0)"
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
