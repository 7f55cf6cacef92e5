"""What the dashboard of a model shows of the engines of generators, read every few seconds.

A generator that is scaled to nothing tells nothing; its panels then are 0.
"""

from cluster.observe.panel import ELSE_ZERO, OF_MODEL, Panel, quantile, rate


def _gauge(name: str) -> str:
    return f"ray_ragfleet_engine_{name}{{{OF_MODEL}}}"


def _grown(name: str) -> str:
    return rate(f"ray_ragfleet_engine_{name}_total", "replica", OF_MODEL)


def _late(name: str) -> str:
    return quantile(0.95, f"ray_ragfleet_engine_{name}", "replica", OF_MODEL)


# Title, unit, query, what it means.
_ENGINE = (
    ("KV cache in use", "percentunit", _gauge("cache_use"), "share that requests hold"),
    ("Requests in decoding", "short", _gauge("running_requests"), ""),
    ("Requests that wait for a slot", "short", _gauge("waiting_requests"), ""),
    ("Tokens written a second", "short", _grown("generated_tokens"), ""),
    (
        "Prefix cache hits", "percentunit",
        f"{_grown('prefix_found_tokens')} / ({_grown('prefix_asked_tokens')} > 0)",
        "of the tokens of prompts",
    ),
    ("Tokens in decoding", "short", _gauge("running_tokens"), "of prompts and answers"),
    ("Tokens of prompts that wait", "short", _gauge("waiting_tokens"), ""),
    ("Prompts read a second", "short", _grown("prompt_tokens"), "in tokens"),
    ("Requests that gave their cache away", "reqps", _grown("preemptions"), "they begin anew"),
    (
        "Drafted tokens taken", "percentunit",
        f"{_grown('accepted_tokens')} / ({_grown('drafted_tokens')} > 0)",
        "0 where nothing is drafted",
    ),
    ("First token of the engine, p95", "s", _late("first_token_seconds"), ""),
    ("One more token, p95", "s", _late("token_seconds"), ""),
)  # fmt: skip

ENGINE_PANELS = tuple(
    Panel(title=title, unit=unit, says=says, queries={"{{replica}}": f"{query}{ELSE_ZERO}"})
    for title, unit, query, says in _ENGINE
)
