"""Devices on a machine without a GPU, and with one that torch is told of."""

import pytest
import torch

from models.device import Share, has_gpu, memory_use, pick_device
from models.errors import InvalidInputError


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
