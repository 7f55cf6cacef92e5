"""Devices on a machine without a GPU, and with one that torch is told of."""

import multiprocessing
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
import torch

from models import device as module
from models import memory_use as using
from models.device import (
    Share,
    as_served,
    cache_bytes,
    check_cards,
    check_room,
    has_gpu,
    one_at_a_time,
    pick_device,
    torch_fraction,
    vllm_fraction,
)
from models.engines.transformers_engine import bytes_a_token
from models.errors import GpuMemoryError, InvalidInputError
from models.memory_use import memory_use

GIB = 2**30
CARD = 80 * GIB


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


def test_a_share_of_a_gpu_that_is_not_there_is_an_error(no_gpu):
    with pytest.raises(InvalidInputError, match=r"num_gpus is 0\.3, but torch .* sees no GPU"):
        pick_device(Share(num_gpus=0.3))


def test_the_cpu_may_serve_instead_and_tells_so(no_gpu, caplog):
    share = Share(num_gpus=0.3, allow_cpu=True)
    assert pick_device(share).type == "cpu"
    assert "the CPU serves instead" in caplog.text
    assert not has_gpu(share)


def test_without_a_share_it_is_the_cpu_and_nothing_is_told(no_gpu, caplog):
    assert pick_device(Share()).type == "cpu"
    assert caplog.text == ""


def test_the_memory_of_the_process_is_told(no_gpu):
    use = memory_use(Share())
    assert use.device == "cpu"
    assert use.num_bytes > 2**20


def test_the_memory_of_processes_that_it_started_counts(no_gpu):
    held = "x = b'x' * 2**28; print(flush=True); input()"
    before = memory_use(Share()).num_bytes
    with subprocess.Popen(
        [sys.executable, "-c", held], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        process.stdout.readline()
        during = memory_use(Share()).num_bytes
        process.communicate(b"\n")
    assert during - before > 0.9 * 2**28


def test_on_a_gpu_the_driver_tells_what_other_processes_of_ours_use(card, monkeypatch, tmp_path):
    with subprocess.Popen(["sleep", "60"]) as process:
        lines = f"pid, used_gpu_memory [MiB]\n{process.pid}, 700 MiB\n1, 9 MiB\n7, [N/A]\n"
        (tmp_path / "nvidia-smi").write_text(f"#!/bin/sh\nprintf '{lines}'\n")
        (tmp_path / "nvidia-smi").chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "Card")
        monkeypatch.setattr(torch.cuda, "memory_reserved", lambda *_: 5 * 2**20)
        monkeypatch.setattr(using, "_driver", using._DriverTold())
        using._driver.ask()
        use = memory_use(Share(num_gpus=1))
        process.kill()
    assert (use.device, use.num_bytes) == ("Card", 705 * 2**20)


@pytest.fixture
def card(monkeypatch):
    """One card of 80 GiB, of which half is free, as torch says; gives the caps."""
    caps = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (CARD // 2, CARD))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda: 0)
    monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", caps.append)
    return caps


@pytest.mark.parametrize(("share", "cap"), [(0.3, 0.29375), (0.4, 0.39375), (0.2, 0.19375)])
def test_torch_is_capped_at_the_share_less_the_context(card, share, cap):
    assert pick_device(Share(num_gpus=share)).type == "cuda"
    assert card == [pytest.approx(cap)]


def test_the_caps_and_contexts_of_a_full_card_fit_on_it():
    shares = [Share(num_gpus=one) for one in (0.3, 0.4, 0.3)]
    used = sum(torch_fraction(one, CARD) * CARD + module._CONTEXT_BYTES for one in shares)
    assert used == pytest.approx(CARD)


def test_a_share_that_cuda_itself_fills_is_refused():
    with pytest.raises(InvalidInputError, match=r"num_gpus 0\.05 of 8\.6 GB is less than"):
        torch_fraction(Share(num_gpus=0.05), 8 * GIB)


def test_a_share_that_is_taken_is_refused_and_its_holders_named(card, monkeypatch):
    told = SimpleNamespace(stdout="pid, process_name, used\n77, python, 40000 MiB\n")
    monkeypatch.setattr(module.subprocess, "run", lambda *_, **__: told)
    with pytest.raises(GpuMemoryError, match=r"num_gpus 0\.7 means .*held by: 77, python, 40000"):
        pick_device(Share(num_gpus=0.7))
    assert card == []


def test_each_card_of_a_share_is_looked_at_from_a_process_that_ends(monkeypatch):
    free = {"told": f"{CARD} {CARD}\n{GIB} {CARD}\n", "asked": []}

    def run(command, **_):
        if command[0] != sys.executable:
            return SimpleNamespace(stdout="pid, process_name, used\n77, python, 40000 MiB\n")
        free["asked"].append(command[-1])
        return SimpleNamespace(stdout=free["told"], stderr="no driver", returncode=not free["told"])

    monkeypatch.setattr(module.subprocess, "run", run)
    with pytest.raises(GpuMemoryError, match=r"1\.1 GB of 85\.9 GB are free; held by: 77, python"):
        check_cards(Share(num_gpus=2))
    assert free["asked"] == ["import torch; [print(*torch.cuda.mem_get_info(n)) for n in range(2)]"]
    free["told"] = f"{CARD} {CARD}\n"
    check_cards(Share(num_gpus=0.5))
    free["told"] = ""
    check_cards(Share(num_gpus=1))  # vLLM will tell what it lacks
    check_cards(Share())
    assert len(free["asked"]) == 3


def test_of_slices_cuda_shows_one_and_a_model_that_wants_two_is_refused(monkeypatch):
    def run(*_args, **_kwargs):  # as PyTorch fails where CUDA counts less than NVML
        failed = "RuntimeError: device >= 0 && device < num_gpus INTERNAL ASSERT FAILED"
        return SimpleNamespace(stdout=f"{GIB} {GIB}\n", stderr=failed, returncode=1)

    monkeypatch.setattr(module.subprocess, "run", run)
    with pytest.raises(InvalidInputError, match=r"num_gpus is 2, but CUDA shows 1 here; of the sl"):
        check_cards(Share(num_gpus=2))


@pytest.mark.parametrize("told", ["[N/A]", "[Not Supported]", "[Insufficient Permissions]"])
def test_what_the_driver_keeps_to_itself_of_a_slice_breaks_nothing(monkeypatch, tmp_path, told):
    uuid = "GPU-7fdaf0a5-179b-f636-d15d-daf243e3ff16"
    held = rf"gpu_uuid, pid, process_name, used\n{uuid}, 77, python, {told}\n"
    used = rf"pid, used_gpu_memory [MiB]\n77, {told}\n78, 700 MiB\n"
    script = f"case \"$*\" in *gpu_uuid*) printf '{held}' ;; *) printf '{used}' ;; esac\n"
    (tmp_path / "nvidia-smi").write_text(f"#!/bin/sh\n{script}")
    (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(GpuMemoryError) as caught:
        check_room(Share(num_gpus=1), free_bytes=GIB, total_bytes=10 * GIB)
    assert str(caught.value).endswith(f"held by: {uuid}, 77, python, {told}")
    driver = using._DriverTold()
    driver.ask()
    assert driver.used_bytes([77, 78]) == 700 * 2**20


def test_where_the_cpu_serves_there_is_no_share_of_a_gpu(no_gpu):
    assert as_served(Share(num_gpus=2, num_cpus=3, allow_cpu=True)) == Share(
        num_cpus=3, allow_cpu=True
    )
    assert as_served(Share(num_gpus=2)) == Share(num_gpus=2)


def test_without_nvidia_smi_nobody_is_named():
    with pytest.raises(GpuMemoryError, match="nvidia-smi does not answer"):
        check_room(Share(num_gpus=2), free_bytes=GIB, total_bytes=CARD)


@pytest.mark.parametrize(("num_gpus", "expected"), [(0.3, 0.3), (1, 0.9), (2, 0.9), (0, 0.9)])
def test_vllm_gets_the_share_or_of_whole_gpus_what_is_configured(num_gpus, expected):
    assert vllm_fraction(Share(num_gpus=num_gpus), 0.9) == expected


def test_the_cache_gets_what_the_share_leaves_beside_the_weights():
    share = Share(num_gpus=0.5)
    assert cache_bytes(share, total_bytes=CARD, held_bytes=20 * GIB) == int(0.9 * 19.5 * GIB)
    whole = cache_bytes(Share(num_gpus=1), total_bytes=CARD, held_bytes=20 * GIB)
    assert whole == int(0.9 * 59.5 * GIB)
    with pytest.raises(GpuMemoryError, match="leaves no cache"):
        cache_bytes(share, total_bytes=CARD, held_bytes=40 * GIB)


def test_a_token_takes_its_keys_and_values_of_all_layers():
    grouped = SimpleNamespace(
        num_attention_heads=32, num_key_value_heads=8, hidden_size=4096, num_hidden_layers=32
    )
    assert bytes_a_token(grouped, 2) == 2 * 32 * 8 * 128 * 2


def _load(cards, folder, log):
    with one_at_a_time(cards, folder):
        log.put("in")
        time.sleep(0.05)
        log.put("out")


PARENT = "GPU-7fdaf0a5-179b-f636-d15d-daf243e3ff16"
SLICES = ("MIG-feb88891-0321-5fef-9c87-d4af3b54259e", f"MIG-{PARENT}/9/0")


@pytest.mark.parametrize("names", [("1", "0"), (PARENT, "0"), SLICES])
def test_starts_on_one_card_follow_one_another(tmp_path, names):
    cards = (names, names[::-1])
    context = multiprocessing.get_context("fork")
    log = context.SimpleQueue()  # what is put lies there when `put` returns
    loads = [context.Process(target=_load, args=(one, tmp_path, log)) for one in cards * 2]
    for one in loads:
        one.start()
    for one in loads:
        one.join(30)
    told = []
    while not log.empty():
        told.append(log.get())
    assert told == ["in", "out"] * 4


def test_loads_on_two_slices_of_one_card_do_not_wait_for_each_other(tmp_path):
    slices = (f"MIG-{PARENT}/9/0", f"MIG-{PARENT}/10/0")
    with one_at_a_time(slices[:1], tmp_path), one_at_a_time(slices[1:], tmp_path):
        assert len(list(tmp_path.iterdir())) == 2


def test_without_cards_nobody_waits(tmp_path):
    with one_at_a_time((), tmp_path / "cards"), one_at_a_time((), tmp_path / "cards"):
        assert not (tmp_path / "cards").exists()
