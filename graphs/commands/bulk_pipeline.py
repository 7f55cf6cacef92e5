"""The pipelines on Ray Data, on all nodes at once.

A bulk load: read, cut, embed, commit. A move to another embedder: embed again.
"""

import logging
import pickle
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import ray
import ray.data

from deployments.bulk_load import (
    VALUE,
    Committer,
    Cutter,
    Destination,
    NewPassageEmbedder,
    Reader,
    row_of,
)
from deployments.reembedder import REEMBEDDED_AT_ONCE, Reembedder
from graphs.commands.served import Served
from graphs.commands.session import SessionError
from index.bulk.bulk_parcel import Tally
from index.bulk.bulk_sources import Source, in_parcels

# What Ray counts for each process, in CPUs: embedders take what the others leave of a core, so the
# shares must leave room for one of each on a machine with a single core.
_EMBEDDER_CPUS = 0.5
_CUTTER_CPUS = 0.25
_READER_CPUS = 0.1
_COMMITTER_CPUS = 0.1
_EMBEDDERS_A_NODE = 8  # each holds the model; larger machines give them more threads instead
_MAX_COMMITTERS = 4  # their transactions take turns; more would only wait
# A block of this size ends, so that each parcel is one and goes on by itself.
_BLOCK_BYTES = 64 * 1024


@dataclass(frozen=True, kw_only=True)
class Room:
    """What a cluster has free, and the CPUs of its largest node."""

    num_cpus: float
    num_gpus: float
    cpus_of_largest_node: int


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How many processes of each kind run."""

    num_cutters: int
    num_embedders: int
    threads_an_embedder: int
    gpu_share: float
    num_committers: int


def free_room() -> Room:
    """What the connected cluster has free."""
    free = ray.available_resources()
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return Room(
        num_cpus=free.get("CPU", 0.0),
        num_gpus=free.get("GPU", 0.0),
        cpus_of_largest_node=max(int(node.get("CPU", 0)) for node in nodes),
    )


def plan_processes(served: Served, room: Room) -> Plan:
    """Divides the room.

    Raises:
        SessionError: not a single CPU is free.
    """
    num_cpus = int(room.num_cpus)
    if num_cpus < 1:
        raise SessionError(
            f"the cluster has {room.num_cpus:g} CPUs free and the load needs at least 1; scale "
            "something down, add a node, or unset RAY_ADDRESS to load beside it"
        )
    threads = max(1, room.cpus_of_largest_node // _EMBEDDERS_A_NODE)
    on_gpus = int(room.num_gpus / served.num_gpus) if served.num_gpus else 0
    return Plan(
        num_cutters=max(1, num_cpus // 2),
        num_embedders=on_gpus or max(1, num_cpus // threads),
        threads_an_embedder=threads,
        gpu_share=served.num_gpus if on_gpus else 0.0,
        num_committers=1 if served.database_url.startswith("sqlite") else _MAX_COMMITTERS,
    )


def run_pipeline(
    sources: Sequence[Source], served: Served, to: Destination, plan: Plan
) -> Iterator[Tally]:
    """Loads the sources into a store; gives a tally for each parcel that is through.

    Raises:
        RayError: a stage failed for a reason that no document is to blame for.
    """
    _configure()
    here = {"ray.io/node-id": ray.get_runtime_context().get_node_id()}
    parcels = in_parcels(sources, plan.num_embedders)
    rows = ray.data.from_items([row_of(one) for one in parcels], override_num_blocks=len(parcels))
    tallies = (
        rows.map(Reader(served.cutting.limits), num_cpus=_READER_CPUS, label_selector=here)
        .flat_map(
            Cutter, fn_constructor_args=(to, served.cutting, served.embedder),
            compute=_pool(1, plan.num_cutters), num_cpus=_CUTTER_CPUS,
        )
        .map(
            NewPassageEmbedder, fn_constructor_args=(to, served.embedder, plan.threads_an_embedder),
            compute=_pool(plan.num_embedders), **_share(plan),
        )
        .map(
            Committer, fn_constructor_args=(to,),
            compute=_pool(plan.num_committers), num_cpus=_COMMITTER_CPUS,
        )
    )  # fmt: skip
    yield from _values(tallies)


def run_reembedding(chunk_ids: Sequence[int], served: Served, plan: Plan) -> Iterator[int]:
    """Adds vectors of the main embedder to passages; gives how many are done, batchwise.

    Raises:
        RayError: a batch failed.
    """
    _configure()
    batches = [
        row_of(chunk_ids[start : start + REEMBEDDED_AT_ONCE])
        for start in range(0, len(chunk_ids), REEMBEDDED_AT_ONCE)
    ]
    rows = ray.data.from_items(batches, override_num_blocks=len(batches))
    yield from _values(
        rows.map(
            Reembedder,
            fn_constructor_args=(served.database_url, served.embedder, plan.threads_an_embedder),
            compute=_pool(min(plan.num_embedders, len(batches))), **_share(plan),
        )
    )  # fmt: skip


def _values(rows: Any) -> Iterator[Any]:
    """What the rows hold, as soon as each is there."""
    # Without prefetching, which would hold a row back until the next one arrives.
    for table in rows.iter_batches(batch_size=None, prefetch_batches=0, batch_format="pyarrow"):
        yield from map(pickle.loads, table[VALUE].to_pylist())


def _configure() -> None:
    # Errors of a stage are raised, as they are; Ray Data would log them as its own, too.
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    context = ray.data.DataContext.get_current()
    context.raise_original_map_exception = True
    context.enable_progress_bars = False  # the command has one
    context.print_on_execution_start = False
    context.target_min_block_size = 1
    context.target_max_block_size = _BLOCK_BYTES


def _pool(min_size: int, max_size: int | None = None) -> Any:
    return ray.data.ActorPoolStrategy(min_size=min_size, max_size=max_size or min_size)


def _share(plan: Plan) -> dict[str, float]:
    if plan.gpu_share:
        return {"num_cpus": _EMBEDDER_CPUS, "num_gpus": plan.gpu_share}
    return {"num_cpus": _EMBEDDER_CPUS * plan.threads_an_embedder}
