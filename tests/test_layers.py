"""The folder list is the architecture: imports point down only."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LAYERS = {
    "models": set(),
    "index": set(),
    "deployments": {"models", "index"},
    "graphs": {"deployments", "models", "index"},
    "cluster": {"models"},
}
FORBIDDEN = {
    "models": {"ray", "fastapi"},
    "index": {"ray", "fastapi", "torch", "transformers"},
    "deployments": {"fastapi", "torch", "transformers"},
    "graphs": {"torch", "transformers", "sentence_transformers"},
    "cluster": {"torch", "transformers"},
}


def imported_packages(source: str) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names


def violations(layer: str, source: str) -> set[str]:
    imported = imported_packages(source)
    upward = (imported & set(LAYERS)) - LAYERS[layer] - {layer}
    return upward | (imported & FORBIDDEN[layer])


@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_imports_only_what_lies_below_it(layer):
    found = {
        str(path.relative_to(ROOT)): bad
        for path in (ROOT / layer).rglob("*.py")
        if (bad := violations(layer, path.read_text()))
    }
    assert not found


@pytest.mark.parametrize(
    ("layer", "source"),
    [
        ("models", "import ray"),
        ("models", "def load():\n    from index.catalog import Catalog"),
        ("index", "from torch import nn"),
        ("deployments", "from graphs import rag"),
        ("graphs", "import torch.nn.functional as f"),
        ("cluster", "from graphs.app import build"),
    ],
)
def test_a_planted_forbidden_import_is_found(layer, source):
    assert violations(layer, source)


def test_models_read_no_environment():
    commands = {ROOT / "models" / "quantize.py"}  # a program of its own, not part of a replica
    readers = [
        path
        for path in set((ROOT / "models").rglob("*.py")) - commands
        if "training" not in path.parts and "os.environ" in path.read_text()
    ]
    assert not readers


@pytest.mark.parametrize("module", ["graphs.app", "deployments.retriever"])
def test_importing_the_graph_loads_no_torch(module):
    code = f"import sys, {module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
