"""Downloads against a hub on loopback that breaks, lies and fills disks."""

import multiprocessing
import os
import shutil
import sys
from pathlib import Path

import pytest
from huggingface_hub import constants

from models.errors import DownloadError, ModelNotFoundError, UnsafeModelError
from models.fetching import download
from models.hub import resolve

sys.path.insert(0, str(Path(__file__).parent))
from hub_server import COMMIT, serving

WEIGHTS = os.urandom(300_000)
FILES = {
    "config.json": b"{}",
    "model.safetensors": WEIGHTS,
    "pytorch_model.bin": b"pickle",
    "1_Pooling/config.json": b"{}",
}


@pytest.fixture
def hub(monkeypatch, tmp_path):
    with serving(dict(FILES)) as (made, address):
        monkeypatch.setattr(constants, "ENDPOINT", address)
        template = address + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "shared"))
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(download, "_PAUSE_S", 0.001)
        yield made


def fetch(cache):
    return resolve("org/name", COMMIT, cache)


def test_what_may_be_loaded_is_fetched_once(hub, tmp_path):
    folder = fetch(tmp_path)
    names = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert names == set(FILES) - {"pytorch_model.bin"}
    assert (folder / "model.safetensors").read_bytes() == WEIGHTS
    hub.asked.clear()
    assert fetch(tmp_path) == folder
    assert hub.asked == []


def test_a_connection_that_breaks_again_and_again_is_resumed_while_bytes_come(hub, tmp_path):
    hub.breaks = 70_000
    assert (fetch(tmp_path) / "model.safetensors").read_bytes() == WEIGHTS
    starts = [None, *(f"bytes={70_000 * n}-" for n in range(1, 5))]
    assert hub.ranges == starts


def test_what_came_before_a_failure_is_not_fetched_again(hub, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "_TRIES", 1)
    hub.breaks = 100_000
    with pytest.raises(DownloadError, match=r"broke off at 100000 of 300000 bytes.*goes on"):
        fetch(tmp_path)
    hub.breaks = None
    assert (fetch(tmp_path) / "model.safetensors").read_bytes() == WEIGHTS
    assert hub.ranges == [None, "bytes=100000-"]


def test_a_hub_without_ranges_is_asked_for_the_whole_file(hub, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "_TRIES", 1)
    hub.breaks, hub.knows_ranges = 100_000, False
    with pytest.raises(DownloadError):
        fetch(tmp_path)
    hub.breaks = None
    assert (fetch(tmp_path) / "model.safetensors").read_bytes() == WEIGHTS


def test_a_hub_that_sends_nothing_ends_the_download(hub, tmp_path):
    hub.breaks = 0
    with pytest.raises(DownloadError, match="at 0 of 300000 bytes"):
        fetch(tmp_path)
    assert len(hub.ranges) == download._TRIES


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_a_file_that_differs_is_refused_and_fetched_anew(hub, tmp_path, name):
    good = hub.info()
    hub.files[name] = hub.files[name][:-1] + bytes([hub.files[name][-1] ^ 1])
    hub.info = lambda: good
    with pytest.raises(UnsafeModelError, match=rf"{name} has sha.*the hub says"):
        fetch(tmp_path)
    hub.files[name] = FILES[name]
    assert (fetch(tmp_path) / name).read_bytes() == FILES[name]


def test_a_disk_that_is_too_small_is_told_before_a_byte_comes(hub, tmp_path):
    hub.told["model.safetensors"] = {"size": 10**15}
    with pytest.raises(DownloadError, match=r"needs 1000000\.00 GB more in .*hub, where .* free"):
        fetch(tmp_path)
    assert hub.ranges == []


def test_a_disk_that_fills_meanwhile_is_told(hub, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(download._Progress, "add", full)
    with pytest.raises(DownloadError, match="No space left"):
        fetch(tmp_path)


def test_offline_nobody_is_asked(hub, tmp_path, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ModelNotFoundError, match="HF_HUB_OFFLINE is set"):
        fetch(tmp_path)
    assert hub.asked == []
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    folder = fetch(tmp_path)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert fetch(tmp_path) == folder


def test_a_model_that_others_have_fetched_is_used_if_it_is_whole(hub, tmp_path):
    snapshot = tmp_path / "shared" / "models--org--name" / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    for name in ("config.json", "model.safetensors"):
        (snapshot / name).write_bytes(FILES[name])
    assert fetch(tmp_path) != snapshot  # another program needed no tokenizer
    (snapshot / "tokenizer.json").write_bytes(b"{}")
    shutil.rmtree(tmp_path / "hub")
    assert fetch(tmp_path) == snapshot
    index = b'{"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}'
    (snapshot / "model.safetensors.index.json").write_bytes(index)
    assert fetch(tmp_path) != snapshot


def test_a_commit_that_is_not_there_is_named(hub, tmp_path):
    with pytest.raises(ModelNotFoundError, match=r"d{40}"):
        resolve("org/name", "d" * 40, tmp_path)


def test_a_path_outside_of_the_folder_is_refused(hub, tmp_path):
    hub.files["../config.json"] = b"{}"
    with pytest.raises(UnsafeModelError, match=r"\.\./config\.json"):
        fetch(tmp_path)


def test_gguf_is_not_fetched(hub, tmp_path):
    del hub.files["model.safetensors"]
    hub.files["model-Q4_K_M.gguf"] = b"GGUF"
    with pytest.raises(UnsafeModelError, match="org/name has GGUF weights, which are not served"):
        fetch(tmp_path)


def test_two_replicas_fetch_once(hub, tmp_path):
    context = multiprocessing.get_context("fork")
    both = [context.Process(target=fetch, args=(tmp_path,)) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join(60)
    assert [one.exitcode for one in both] == [0, 0]
    assert hub.ranges == [None]
    shutil.rmtree(tmp_path / "hub")
