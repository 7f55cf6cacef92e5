"""What the dashboard of a model shows of the engines of generators, read every few seconds.

A generator that is scaled to nothing tells nothing; its panels then are 0.
"""

from cluster.observe.panel import Panel, quantile, rate

# Title, unit, query, what it means.
_ENGINE = (
    ("KV cache in use", "percentunit", "ray_ragfleet_engine_cache_use", "share that requests hold"),
    ("Requests in decoding", "short", "ray_ragfleet_engine_running_requests", ""),
    ("Requests that wait for a slot", "short", "ray_ragfleet_engine_waiting_requests", ""),
    (
        "Tokens written a second", "short",
        rate("ray_ragfleet_engine_generated_tokens_total", "replica"), "",
    ),
    (
        "Prefix cache hits", "percentunit",
        f"{rate('ray_ragfleet_engine_prefix_found_tokens_total', 'replica')} / "
        f"({rate('ray_ragfleet_engine_prefix_asked_tokens_total', 'replica')} > 0)",
        "of the tokens of prompts",
    ),
    (
        "Tokens in decoding", "short", "ray_ragfleet_engine_running_tokens",
        "of prompts and answers",
    ),
    ("Tokens of prompts that wait", "short", "ray_ragfleet_engine_waiting_tokens", ""),
    (
        "Prompts read a second", "short",
        rate("ray_ragfleet_engine_prompt_tokens_total", "replica"), "in tokens",
    ),
    (
        "Requests that gave their cache away", "reqps",
        rate("ray_ragfleet_engine_preemptions_total", "replica"), "they begin anew",
    ),
    (
        "First token of the engine, p95", "s",
        quantile(0.95, "ray_ragfleet_engine_first_token_seconds", "replica"), "",
    ),
    (
        "One more token, p95", "s",
        quantile(0.95, "ray_ragfleet_engine_token_seconds", "replica"), "",
    ),
)  # fmt: skip

ENGINE_PANELS = tuple(
    Panel(title=title, unit=unit, says=says, queries={"{{replica}}": f"{query} or vector(0)"})
    for title, unit, query, says in _ENGINE
)
