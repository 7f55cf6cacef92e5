"""Which block of a Serve config has which settings: block name -> config class."""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from deployments.embedder import ServedEmbedders
from deployments.ingester import IngesterConfig
from deployments.reranker import ServedRerankers
from deployments.retriever import RetrieverConfig, retriever_names
from deployments.user_config import ConfigFault, faults_of
from graphs.config import AppArgs, GatewayConfig
from models.engines.transformers_engine import TransformersEngineConfig
from models.engines.vllm_config import VllmEngineConfig
from models.generator import GeneratorConfig
from models.safety import SafetyConfig

Blocks = Mapping[str, type[Any]]

BUILDER = "graphs.app:build"
CANARY = "GeneratorCanary"  # the deployment of a second version
SMALL = "GeneratorSmall"  # the one that easy questions go to
_ROOT = Path(__file__).parents[2]
# The block of the Retriever stands for those of all shards.
BLOCKS: Blocks = {
    "Gateway": GatewayConfig,
    "Embedder": ServedEmbedders,
    "Retriever": RetrieverConfig,
    "Reranker": ServedRerankers,
    "SafetyFilter": SafetyConfig,
    "Generator": GeneratorConfig,
    "Ingester": IngesterConfig,
}
ENGINES: Blocks = {"transformers": TransformersEngineConfig, "vllm": VllmEngineConfig}


def blocks_of(import_path: str) -> Blocks | None:
    """The blocks of a builder's application; None for one of somebody else.

    A builder of another module in this repository, such as that of the simulated models, names as
    `BLOCKS` there the classes that differ.
    """
    if is_own_builder(import_path):
        return BLOCKS
    name, _, builder = import_path.replace(":", ".").rpartition(".")
    if not _is_in_repository(name):
        return None
    try:
        module = import_module(name)
    except ImportError:  # what cannot be imported here may be on the cluster
        return None
    others: Blocks | None = getattr(module, "BLOCKS", None)
    return {**BLOCKS, **others} if others is not None and hasattr(module, builder) else None


def _is_in_repository(module: str) -> bool:
    parts = module.split(".")
    try:
        is_file = _ROOT.joinpath(*parts).with_suffix(".py").is_file()
    except OSError:  # a name longer than those of files
        return False
    return is_file and all(map(str.isidentifier, parts))


def is_own_builder(import_path: str) -> bool:
    """Whether this is `graphs.app:build`, in one of the two ways that Serve reads."""
    return import_path.replace(":", ".") == BUILDER.replace(":", ".")


def expected_blocks(blocks: Blocks, args: AppArgs) -> Blocks:
    """The blocks of the deployments that these `args` make, a shard of the index each."""
    more = dict.fromkeys(retriever_names(args.retriever_shards), blocks["Retriever"])
    others = {CANARY: args.canary, SMALL: args.small}
    more |= {name: blocks["Generator"] for name, is_there in others.items() if is_there}
    return {name: kind for name, kind in blocks.items() if name != "Retriever"} | more


def needs_settings(name: str, args: AppArgs) -> bool:
    """Whether the deployment does nothing until its block has a `user_config`."""
    return name != "Gateway" and not (name == "Retriever" and args.retriever_shards == 1)


def settings_faults(kind: type[Any], user_config: Mapping[str, Any]) -> tuple[ConfigFault, ...]:
    """What is wrong with a `user_config`, a generator's `engine_options` included."""
    faults = faults_of(kind, user_config)
    if issubclass(kind, GeneratorConfig):
        engine = user_config.get("engine", GeneratorConfig.engine)
        options = user_config.get("engine_options", {})
        if isinstance(engine, str) and engine in ENGINES and isinstance(options, Mapping):
            below = faults_of(ENGINES[engine], options)
            faults += tuple(fault.under(("engine_options",)) for fault in below)
    return faults
