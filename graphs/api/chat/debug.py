"""What `"rag": {"debug": true}` shows of how an answer was made."""

from typing import Any

from graphs.api.border.timing import tree
from graphs.pipeline.events import Finished, Moved, Retrieved


def debug_of(retrieved: Retrieved, finished: Finished) -> dict[str, Any]:
    """Gives what is shown at the end."""
    return {
        "search_query": retrieved.search_query,
        "num_migrations": finished.num_migrations,
        "timings": {time.stage: round(time.latency_ms, 1) for time in finished.timings},
        "spans": tree(finished.spans),
        "generated": [
            {
                "stage": one.stage,
                "prompt_tokens": one.num_prompt_tokens,
                "completion_tokens": one.num_completion_tokens,
            }
            for one in finished.generated
        ],
    }


def debug_of_move(moved: Moved) -> dict[str, Any]:
    """Gives what is shown at once when an answer moves."""
    return {"num_migrations": moved.num_migrations}
