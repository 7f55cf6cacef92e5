"""What a replica tells of itself beside its requests: its memory and its batches."""

from collections.abc import Callable, Iterable
from typing import Any

from deployments.batching.batcher import Batcher
from deployments.model_loading import assigned_share
from deployments.observing.metrics import Meter
from models.memory_use import memory_use

# Items of a batch, calls that wait for the next one, and how long it took in seconds.
BatchObserver = Callable[[int, int, float], None]


def batch_observer(model: str) -> BatchObserver:
    """Gives what records the batches of a model.

    Args:
        model: what it does, such as `embedder`; not its id.
    """
    meter = Meter()

    def record(num_items: int, num_waiting: int, duration_s: float) -> None:
        meter.record("ragfleet_batch_items", num_items, model=model)
        meter.record("ragfleet_batch_duration_seconds", duration_s, model=model)
        meter.record("ragfleet_batch_waiting_calls", num_waiting, model=model)

    return record


def told_work(batchers: Iterable[Batcher[Any, Any]]) -> dict[str, float]:
    """Tells Serve's autoscaling how much the models of a replica have to do, all together.

    See `deployments.scaling`; models of one replica share its device, so their shares add up.
    """
    work = [batcher.workload() for batcher in batchers]
    return {
        "queued_s": sum(one.queued_s for one in work),
        "busy": min(sum(one.busy for one in work), 1.0),
    }


def record_memory(meter: Meter) -> None:
    """Records what the process uses of its device."""
    use = memory_use(assigned_share())
    meter.record("ragfleet_memory_bytes", use.num_bytes, device=use.device)
