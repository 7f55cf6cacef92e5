"""The estimate of a replica's memory beside what a process takes that works with the model."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cluster.planning.checkpoints import checkpoint_of, known_models
from cluster.planning.memory import encoder_memory, generator_memory
from deployments.state import models_folder
from models.embedder import EmbedderConfig
from models.engines.transformers_engine import TransformersEngineConfig
from models.generator import GeneratorConfig
from models.reranker import RerankerConfig
from models.safety import SafetyConfig

ROOT = Path(__file__).parents[3]
CLASSES = {"embedder": EmbedderConfig, "reranker": RerankerConfig, "safety": SafetyConfig}
GENERATOR = {
    "model": "bundled:generator",
    "engine_options": {
        "dtype": "float32",
        "max_concurrent_requests": 16,
        "cache_tokens": 16384,
        "max_batch_tokens": 1024,
    },
}
NO_STATES = {"kept_states_mb": 0}
MEASURED = [
    ("embedder", {"model": "bundled:embedder", "engine": "torch", "batch_size": 64}),
    # Kept states fill up as passages come again; here none does.
    ("reranker", {"model": "bundled:judge", "engine": "onnx", "max_tokens": 128} | NO_STATES),
    ("safety", {"model": "bundled:safety", "engine": "onnx", "max_tokens": 128}),
    ("generator", GENERATOR),
]
NAMES = [f"{kind}, {settings.get('engine', 'transformers')}" for kind, settings in MEASURED]


def estimate(kind, settings):
    model = checkpoint_of(settings["model"], None, models_folder(), known_models())
    if kind == "generator":
        engine = TransformersEngineConfig(**settings["engine_options"])
        return generator_memory(GeneratorConfig(**settings), engine, model, on_gpu=False)
    return encoder_memory(CLASSES[kind](**settings), model, on_gpu=False)


def measure(kind, settings):
    script = Path(__file__).parent / "loaded_model.py"
    command = [sys.executable, script, models_folder(), kind, json.dumps(settings)]
    ended = subprocess.run(
        command, env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, check=True, timeout=300,
    )  # fmt: skip
    return int(ended.stdout.split()[-1])


@pytest.mark.systems
@pytest.mark.parametrize(("kind", "settings"), MEASURED, ids=NAMES)
def test_an_estimate_is_within_a_tenth_of_what_the_process_takes(kind, settings):
    if kind != "generator":
        settings = {"max_tokens": 256, "batch_size": 16, **settings}
    measured, told = measure(kind, settings), estimate(kind, settings)
    assert told.total == pytest.approx(measured, rel=0.1), (measured / 1e6, told)
