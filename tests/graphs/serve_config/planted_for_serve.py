"""More mistakes for test_planted.py: what Serve and Ray take, drop, or fail with much later."""

HTTP = "  port: 8000\n"
TOP = "\nhttp_options:\n"
APPLICATION = "    args: {}  "
EMBEDDER = "        max_ongoing_requests: 64       # calls in work"
OPTIONS = "          num_gpus: 0.3 "
INGESTER = "          min_replicas: 1\n          max_replicas: 2\n"
TWO_A_NODE = "        max_replicas_per_node: 1       # two on one node would go with it\n"


def above(line, *lines):
    """A line that is written, and the same below others."""
    return line, "".join(f"{one}\n" for one in lines) + line


def below_http(line):
    return HTTP, f"{HTTP}  {line}\n"


# As there: what is written, what is planted instead, what is told.
FOR_SERVE = [
    (
        *above(EMBEDDER, "        num_replicas: auto"),
        "num_replicas must be a whole number or be left out, got 'auto': what autoscaling_config "
        "leaves out would be Serve's (1 to 100 replicas, 2 requests each)",
    ),
    (*above(OPTIONS, "          runtime_env: {pip: [numpy]}"), "pip would install packages at the"),
    (*above(APPLICATION, "    runtime_env: {pip: [numpy]}"), "runtime_env: pip would install pack"),
    (
        *above(APPLICATION, "    runtime_env: {uv: [numpy]}"),
        "put them into the image or .venv of t",
    ),
    (
        *above(APPLICATION, "    runtime_env: {conda: x}"),
        "conda would install packages at the star",
    ),
    (*above(APPLICATION, "    runtime_env: {env_var: {A: b}}"), "did you mean 'env_vars'?"),
    (
        *above(APPLICATION, "    runtime_env: {env_vars: {A: 5}}"),
        "A: must be text, got 5: put it i",
    ),
    (*above(APPLICATION, "    runtime_env: {env_vars: [A=5]}"), "must be a mapping of names to te"),
    (*above(TOP, "\ngrpc_options: {port: 9000}"), "nothing here serves gRPC, HTTP has all of it"),
    ("proxy_location: EveryNode ", "proxy_location: Disabled ", "'Disabled': nothing would listen"),
    (
        *above(TOP, "\ntarget_capacity: 1"),
        "in percent and must be 100, got 1: each block would get",
    ),
    (
        *below_http("request_timeout_s: 60"),
        "request_timeout_s must be above slot_s and first_token_s of the Gateway (130), got 60",
    ),
    (*below_http("ssl_keyfile: a.pem"), "needs ssl_certfile and ssl_keyfile: Serve would speak pl"),
    (
        *above(TOP, "\ntracing_config: {exporter_import_path: 'deployments.observing.spans:no'}"),
        "no exporter can be imported from 'deployments.observing.spans:no'",
    ),
    ("    route_prefix: /\n", "    route_prefix: null\n", "got null: HTTP would reach nothing"),
    (
        *above(APPLICATION, "    autoscaling_policy: {policy_function: 'a:b'}"),
        "autoscaling_policy would take the place of those of all blocks",
    ),
    (
        INGESTER,
        "          min_replicas: 1\n",
        "missing key 'max_replicas': Serve takes 1, and noth",
    ),
    ("look_back_period_s: 10 ", "look_back_period_s: 2 ", "above metrics_interval_s (2), got 2"),
    (
        "          metrics_interval_s: 2 ",
        "          # metrics_interval_s: 2 ",
        "look_back_period_s must be above metrics_interval_s (10), got 10",
    ),
    (
        "health_check_period_s: 2 ",
        "health_check_period_s: 2000 ",
        "must be in 0..600, got 2000; 20",
    ),
    ("health_check_timeout_s: 5 ", "health_check_timeout_s: 0.5 ", "must be in 1..600, got 0.5"),
    (
        "upscale_delay_s: 5 ",
        "upscale_delay_s: 5000 ",
        "is in seconds and must be in 0..600, got 500",
    ),
    (
        *above(EMBEDDER, "        graceful_shutdown_wait_loop_s: 60"),
        "graceful_shutdown_wait_loop_s must be below graceful_shutdown_timeout_s (5), got 60",
    ),
    (TWO_A_NODE, TWO_A_NODE.replace("1", "0", 1), "max_replicas_per_node must be in 1..100, got 0"),
    (*above(EMBEDDER, "        placement_group_strategy: SPREAD"), "is one process on one node, a"),
    (*above(OPTIONS, "          resources: {GPU: 1}"), "Ray counts no GPU there: set num_gpus"),
    (*above(OPTIONS, "          resources: {cpu: 1}"), "Ray counts no cpu there: set num_cpus"),
    (
        *above(OPTIONS, "          resources: {disk: '5'}"),
        "must be a number of at least 0, got '5'",
    ),
    (*above(OPTIONS, "          accelerator_type: nvidia-l4"), "did you mean 'L4'?"),
    (
        "{ray.io/market-type: on-demand}   # first",
        "{market-type: on-demand}   # first",
        "did you mean 'ray.io/market-type'?",
    ),
    (
        "min_replicas: 2\n          max_replicas: 4\n          target_ongoing_requests: 100",
        "min_replicas: 0\n          max_replicas: 4\n          target_ongoing_requests: 100",
        "batches and responses in the background would stop while nobody asks",
    ),
]
