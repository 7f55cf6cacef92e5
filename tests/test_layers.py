"""The folder list is the architecture: imports point down only, and never in a circle."""

import ast
import re
import subprocess
import sys
from collections import Counter
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# What a folder may import of the others.
LAYERS = {
    "models": set(),
    "training": {"models", "index", "graphs"},  # the server's prompt is what is trained on
    "index": set(),
    "deployments": {"models", "index"},
    "graphs": {"deployments", "models", "index"},
    "cluster": {"models", "index", "deployments", "graphs"},
    "chaos": {"cluster", "graphs", "deployments", "models", "index"},
    "benchmarks": {"chaos", "cluster", "graphs", "deployments", "models", "index"},
}
FORBIDDEN = {
    "models": {"ray", "fastapi", "sqlalchemy"},
    "index": {"ray", "fastapi", "torch", "transformers"},
    "deployments": {"fastapi", "torch", "transformers"},
    "graphs": {"torch", "transformers", "sentence_transformers"},
    "graphs.pipeline": {"ray", "fastapi", "starlette", "openai"},
    "graphs.api": {"ray"},
    "cluster": {"torch", "transformers"},
}
# The rooms of a folder, lowest first: a module imports from its own room and from lower ones. A
# room is named by a sub-folder, or by the modules that stand in the folder itself.
ROOMS = {
    "models": (
        "errors device memory_use folders scores identity constraints generation tokens "
        "token_counter chat detokenizer gptq personal_data",
        "bundled fetching",
        "checkpoints",
        "hub",
        "encoders",
        "adapters",
        "engines",
        "quantization",
        "embedder reranker safety generator prepare quantize",
    ),
    "index": (
        "errors access records headings rows shard reuse",
        "parsing",
        "abbreviations sentences identifiers wide_rows chunk",
        "catalog",
        "ingestion",
        "searching",
        "bulk",
    ),
    "graphs": (
        "errors caller deadline together settings observing_settings findings accounts config "
        "corpus router_weights",
        "access",
        "serve_config",
        "pipeline",
        "observing",
        "model_reports failover clients corpus_client generator_client replicas shards system",
        "choosing",
        "api",
        "gateway app",
        "commands explain usage audit feedback tenants",
        "keys",
    ),
    "graphs.api": (
        "errors",
        "error_replies faults",
        "services",
        "border",
        "accounting",
        "corpus",
        "chat",
        "completions docs documented embedding embeddings engine_fields feedback health models "
        "moderations openapi rerank requests token_input claiming",
        "responses",
        "batches",
        "admin dialects mcp page",
        "app",
    ),
}
MAX_MODULES = 20  # side by side
MAX_LINES = 300
MAX_FUNCTION_LINES = 50


def modules():
    """Every module of the application: its dotted name and its source."""
    return {
        ".".join(path.relative_to(ROOT).with_suffix("").parts): path.read_text()
        for folder in LAYERS
        for path in (ROOT / folder).rglob("*.py")
        if path.name != "__init__.py"
    }


def imported(source):
    """What a module imports, anywhere in it; `from a import b` gives both a and a.b."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def upward(name, source):
    """Imports of a folder that lies above, or of a library that does not belong here."""
    folder = name.split(".")[0]
    tops = {one.split(".")[0] for one in imported(source)}
    found = (tops & set(LAYERS)) - LAYERS[folder] - {folder}
    for place, libraries in FORBIDDEN.items():
        if name.startswith(f"{place}."):
            found |= tops & libraries
    return found


def room_of(place, name):
    """The number of the room that a module stands in; None for one outside of this folder."""
    if not name.startswith(f"{place}."):
        return None
    head = name.removeprefix(f"{place}.").split(".")[0]
    rooms = [number for number, room in enumerate(ROOMS[place]) if head in room.split()]
    return rooms[0] if rooms else None


def wrong_rooms(place, name, source):
    """Imports from a higher room of the same folder."""
    own = room_of(place, name)
    if own is None:
        return set()
    return {one for one in imported(source) if (room_of(place, one) or 0) > own}


def circle(sources):
    """The modules of an import circle; none when there is none."""
    graph = {name: imported(source) & (set(sources) - {name}) for name, source in sources.items()}
    try:
        list(TopologicalSorter(graph).static_order())
    except CycleError as err:
        return err.args[1]
    return []


def long_functions(source):
    """Functions over the limit that do not say why in a comment `# long: ...` at their head."""
    lines = source.splitlines()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            size = node.end_lineno - node.lineno + 1
            head = "\n".join(lines[node.lineno - 1 : node.body[0].lineno])
            if size > MAX_FUNCTION_LINES and "# long:" not in head:
                yield f"{node.name}: {size} lines"


def test_a_folder_imports_only_what_lies_below_it():
    assert not {name: bad for name, source in modules().items() if (bad := upward(name, source))}


@pytest.mark.parametrize("place", ROOMS)
def test_a_room_imports_only_lower_rooms(place):
    found = {name: wrong_rooms(place, name, source) for name, source in modules().items()}
    assert not {name: bad for name, bad in found.items() if bad}


@pytest.mark.parametrize("place", ROOMS)
def test_every_module_has_a_room(place):
    homeless = [
        name for name in modules() if name.startswith(f"{place}.") and room_of(place, name) is None
    ]
    assert homeless == []


def test_no_files_import_each_other_in_a_circle():
    assert circle(modules()) == []


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("models.hub", "import ray"),
        ("models.hub", "def load():\n    from index.catalog.catalog import Catalog"),
        ("models.quantize", "from training.prompts import draw_prompts"),
        ("index.chunk", "from torch import nn"),
        ("deployments.generator", "from graphs.pipeline import rag"),
        ("graphs.gateway", "import torch.nn.functional as f"),
        ("graphs.gateway", "from cluster import local"),
        ("graphs.api.health", "from ray import serve"),
        ("graphs.api.chat.chat", "def answer():\n    import ray"),
        ("graphs.pipeline.rag", "from ray.serve.handle import DeploymentHandle"),
        ("graphs.pipeline.rag", "from fastapi import Request"),
        ("cluster.local", "from chaos.fleet import Fleet"),
        ("chaos.fleet", "from benchmarks import search"),
    ],
)
def test_a_planted_forbidden_import_is_found(name, source):
    assert upward(name, source)


@pytest.mark.parametrize(
    ("place", "name", "source"),
    [
        ("index", "index.catalog.files", "from index.searching.fold import Fold"),
        ("index", "index.parsing.parse", "from index import chunk"),
        ("index", "index.records", "def late():\n    from index.parsing.document import Document"),
        ("models", "models.bundled.prepare", "from models.encoders.encoder_engine import Task"),
        ("graphs", "graphs.pipeline.rag", "from graphs.clients import RetrieverClient"),
        ("graphs", "graphs.api.health", "from graphs.gateway import Gateway"),
        ("graphs.api", "graphs.api.border.sse", "from graphs.api.chat.chat import router"),
        ("graphs.api", "graphs.api.errors", "from graphs.api.border.validation import explain"),
    ],
)
def test_a_planted_import_of_a_higher_room_is_found(place, name, source):
    assert wrong_rooms(place, name, source)


def test_a_planted_circle_is_found():
    sources = modules()
    assert "from models.errors" in sources["models.hub"]
    sources["models.errors"] += "\ndef late():\n    import models.hub\n"
    assert {"models.errors", "models.hub"} <= set(circle(sources))


def test_no_folder_has_more_modules_side_by_side_than_a_newcomer_can_read():
    counts = Counter(name.rpartition(".")[0] for name in modules())
    assert not {folder: count for folder, count in counts.items() if count > MAX_MODULES}


def test_no_file_is_longer_than_a_newcomer_can_read():
    files = [*modules().items(), *((str(p), p.read_text()) for p in ROOT.glob("tests/**/*.py"))]
    assert not [name for name, source in files if source.count("\n") > MAX_LINES]


def test_long_functions_say_why():
    found = {name: list(long_functions(source)) for name, source in modules().items()}
    assert not {name: functions for name, functions in found.items() if functions}


def test_a_planted_long_function_is_found():
    body = "\n".join(["    x = 1"] * MAX_FUNCTION_LINES)
    assert list(long_functions(f"def f():\n{body}\n"))
    assert not list(long_functions(f"def f():\n    # long: a table\n{body}\n"))


def test_models_read_no_environment():
    commands = {"models.quantize"}  # a program of its own, not part of a replica
    readers = [
        name
        for name, source in modules().items()
        if name.startswith("models.") and re.search(r"\bos\.(environ|getenv)", source)
    ]
    assert set(readers) <= commands


@pytest.mark.parametrize("module", ["graphs.app", "deployments.retriever", "models.token_counter"])
def test_importing_the_graph_loads_no_torch(module):
    code = f"import sys, {module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
