"""Loads on one card wait for each other, however its GPUs are named."""

import fcntl
import os
import tempfile
from types import SimpleNamespace

import pytest
from ray._private.accelerators.nvidia_gpu import NvidiaGPUAcceleratorManager
from ray._private.resource_and_label_spec import ResourceAndLabelSpec
from ray._private.worker import Worker

from deployments import model_loading as module

PARENT = "GPU-7fdaf0a5-179b-f636-d15d-daf243e3ff16"
NEW, OLD = "MIG-feb88891-0321-5fef-9c87-d4af3b54259e", f"MIG-{PARENT}/9/0"


@pytest.fixture
def tried(monkeypatch, tmp_path):
    """Gives what loads and says which locks are held meanwhile; each machine has its own folder."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "of-this-machine"))
    monkeypatch.setenv("RAGFLEET_STATE", str(tmp_path / "of-all-machines"))
    monkeypatch.setattr(module, "resolve", lambda *_: None)

    def load(_config, *, cache, share):
        held = []
        for path in tmp_path.rglob("*.lock"):
            with path.open("w") as stream:
                try:
                    fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    held.append(str(path.relative_to(tmp_path)))
        return sorted(held)

    return load


@pytest.mark.parametrize("card", ["0", PARENT, NEW, OLD])
async def test_a_card_is_locked_on_its_machine_while_a_model_loads(tried, monkeypatch, card):
    monkeypatch.setattr(module, "assigned_cards", lambda: (card,))
    config = SimpleNamespace(model="m", revision=None, allow_cpu=False)
    name = card.replace("/", ".")
    folder = f"of-this-machine/ragfleet-cards-{os.getuid()}"
    assert await module.load_model(tried, config) == [f"{folder}/{name}.lock"]


@pytest.mark.parametrize("slot", [0, 1])
def test_ray_gives_replicas_the_names_with_which_its_node_was_started(monkeypatch, slot):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", f"{NEW},{OLD}")
    worker = Worker()
    worker.core_worker = SimpleNamespace(resource_ids=lambda: {"GPU": [(slot, 0.3)]})
    given = worker.get_accelerator_ids_for_accelerator_resource("GPU", "^GPU_group_[0-9A-Za-z]+$")
    assert given == [(NEW, OLD)[slot]]
    NvidiaGPUAcceleratorManager.set_current_process_visible_accelerator_ids(given)
    assert os.environ["CUDA_VISIBLE_DEVICES"] == (NEW, OLD)[slot]


@pytest.mark.parametrize(("told", "counted"), [(None, 1), (2, 2)])
def test_ray_counts_cards_and_not_their_slices_unless_it_is_told(monkeypatch, told, counted):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", f"{NEW},{OLD}")
    count = "get_current_node_num_accelerators"
    monkeypatch.setattr(NvidiaGPUAcceleratorManager, count, staticmethod(lambda: 1))
    _, found = ResourceAndLabelSpec._get_current_node_accelerator(told, {})
    assert found == counted
