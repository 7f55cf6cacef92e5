"""What each engine does with the fields that say how an answer is written; part of FIELDS.md.

Nothing is told here: the fields are those that bodies have, and what an engine refuses is what
`models.engines.settling.check_request` asks it for.
"""

from collections import defaultdict
from collections.abc import Mapping

from graphs.api.chat.formats import FormatFields
from graphs.api.chat.picking_fields import PickingFields
from graphs.api.chat.tool_fields import ToolFields
from models.engines.settling import OF_DRAWS
from models.engines.transformers_engine import UNSERVED
from models.engines.vllm_config import UNSERVED_SPECULATING_ON_CPU, VllmEngineConfig

_DRAFTING = VllmEngineConfig(options={"speculative_config": {"method": "ngram"}})

# How an engine is named in the table, and what it refuses with the reasons.
ENGINES: Mapping[str, Mapping[str, str]] = {
    "transformers": UNSERVED,
    "vllm": VllmEngineConfig().unserved,
    "vllm with `speculative_config`": _DRAFTING.unserved,
    "the same on vLLM's CPU build": {**_DRAFTING.unserved, **UNSERVED_SPECULATING_ON_CPU},
}


def asked_names() -> Mapping[str, list[str]]:
    """Gives what an engine may refuse, by its name there, with the fields of bodies that ask it."""
    names = defaultdict(list)
    for field in PickingFields.model_fields:
        names[field].append(field)
    names["stop"] = ["stop"]
    names["top_logprobs"] = ["logprobs", "top_logprobs"]
    names["constraint"] = list(FormatFields.model_fields)
    names["tools"] = list(ToolFields.model_fields)
    return names


def section() -> list[str]:
    """Writes the table as lines of Markdown; the reasons stand below it, once each."""
    reasons: dict[str, int] = {}
    rows = []
    for asked, fields in asked_names().items():
        fates = [_fate(asked, refused, reasons) for refused in ENGINES.values()]
        rows.append(" | ".join(["| " + ", ".join(f"`{one}`" for one in fields), *fates]) + " |")
    notes = [f"{number}. {reason}" for reason, number in reasons.items()]
    head = [
        "",
        "## How an answer is written, by engine",
        "",
        "`refused`: 400, with the reason.",
        "",
    ]
    titles = ["| fields | " + " | ".join(ENGINES) + " |", "|---" * (len(ENGINES) + 1) + "|"]
    return [*head, *titles, *rows, "", *notes]


def _fate(asked: str, refused: Mapping[str, str], reasons: dict[str, int]) -> str:
    """Says what an engine does; a reason that comes first here gets the next number."""
    if asked not in refused:
        return "honoured"
    number = reasons.setdefault(refused[asked], len(reasons) + 1)
    where = " where tokens are drawn" if asked in OF_DRAWS else ""
    return f"refused{where} ({number})"
