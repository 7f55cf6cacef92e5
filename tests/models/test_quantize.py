"""The quantisation command line: what it refuses, and one small real run."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from models.errors import InvalidInputError, ModelNotFoundError, UnsafeModelError
from models.quantization import checks
from models.quantization.calibration import cut_samples, default_texts, fetch_texts, read_texts
from models.quantization.measure import load_tokenizer
from models.quantization.settings import QuantizationSettings
from models.quantize import main
from training.prompts import draw_prompts
from training.tokenizer import save_tokenizer, train_tokenizer

SMALL = QuantizationSettings(group_size=64, num_samples=16, sample_tokens=64)
pytestmark = pytest.mark.filterwarnings("ignore")  # GPTQModel and torchao warn about themselves


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    import random

    torch.manual_seed(2)
    folder = tmp_path_factory.mktemp("full") / "model"
    texts = (content for content, _ in draw_prompts(random.Random(1), 200))
    save_tokenizer(train_tokenizer(texts, size=600), folder)
    config = LlamaConfig(
        vocab_size=600,
        hidden_size=128,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=256,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


def test_a_small_model_is_quantised_measured_and_loads(model, tmp_path, capsys):
    out = tmp_path / "gptq"
    arguments = ["--group-size", "64", "--samples", "16", "--sample-tokens", "64", "--verify"]
    assert main([str(model), str(out), *arguments]) == 0
    report = json.loads((out / "quantization_report.json").read_text())
    assert len(report["layers"]) == 2 * 7
    assert report["after"]["bytes_on_disk"] < report["before"]["bytes_on_disk"]
    assert 0.9 < report["after"]["perplexity"] / report["before"]["perplexity"] < 1.1
    assert report["agreement"] > 0.5
    assert "perplexity" in capsys.readouterr().out
    assert [p.name for p in tmp_path.iterdir()] == ["gptq"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--group-size", "48"], "must divide by group_size 48"),
        (["--samples", "2"], "num_samples must be in 16..4096, got 2"),
        (["--device", "cuda"], "no CUDA device"),
        (["--text", "/nowhere.txt"], "no calibration text at /nowhere.txt"),
    ],
)
def test_what_cannot_work_is_refused_before_the_work(model, tmp_path, capsys, arguments, message):
    if "cuda" in arguments and torch.cuda.is_available():
        pytest.skip("there is a CUDA device here")
    assert main([str(model), str(tmp_path / "out"), *arguments]) == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_missing_model_and_an_existing_output_are_refused(model, tmp_path):
    with pytest.raises(ModelNotFoundError, match="config"):
        checks.check_run(tmp_path / "none", tmp_path / "out", SMALL)
    with pytest.raises(InvalidInputError, match="exists already"):
        checks.check_run(model, tmp_path, SMALL)


def test_pickled_and_quantised_checkpoints_are_refused(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(UnsafeModelError, match="pickled"):
        checks.check_run(tmp_path, tmp_path / "out", SMALL)
    (tmp_path / "model.safetensors").write_bytes(b"")
    (tmp_path / "quantize_config.json").write_text("{}")
    with pytest.raises(InvalidInputError, match="quantised already"):
        checks.check_run(tmp_path, tmp_path / "out", SMALL)


def test_too_little_memory_is_told_with_both_numbers(model, tmp_path, monkeypatch):
    monkeypatch.setattr(checks, "available_memory", lambda device: 2**20)
    with pytest.raises(InvalidInputError, match=r"needs about 0\.5\d GiB of memory, 0\.00 GiB"):
        checks.check_run(model, tmp_path / "out", SMALL)


def test_too_little_text_is_told_with_both_numbers(model):
    with pytest.raises(InvalidInputError, match=r"at least 1152 tokens .* got \d+ from here"):
        cut_samples(["a few words"], load_tokenizer(model), SMALL, "here")


def test_held_out_text_is_none_of_the_samples(model):
    tokenizer = load_tokenizer(model)
    found = cut_samples(default_texts(tokenizer), tokenizer, SMALL, "bundled")
    assert len(found.samples) == 16
    assert len(found.held_out) >= 2
    assert not {tuple(s) for s in found.samples} & {tuple(s) for s in found.held_out}


def test_jsonl_may_hold_strings_objects_and_chats(tmp_path):
    path = tmp_path / "text.jsonl"
    lines = ['"one"', '{"text": "two"}', '{"messages": [{"role": "user", "content": "three"}]}']
    path.write_text("\n".join(lines))
    assert read_texts(path) == ["one", "two", "three"]
    path.write_text('{"other": 1}')
    with pytest.raises(InvalidInputError, match=r"text\.jsonl:1 must be a string"):
        read_texts(path)


class _Store(BaseHTTPRequestHandler):
    """Answers like the vector store files API: two pages of one file each."""

    def do_GET(self):
        assert self.headers["Authorization"] == "Bearer key"
        if self.path.endswith("/content"):
            body = {"data": [{"type": "text", "text": f"text of {self.path.split('/')[-2]}"}]}
        elif "after=" in self.path:
            body = {"data": [{"id": "file-2"}], "has_more": False, "last_id": "file-2"}
        else:
            body = {"data": [{"id": "file-1"}], "has_more": True, "last_id": "file-1"}
        data = json.dumps(body).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *arguments):
        pass


def test_texts_come_from_every_page_of_a_vector_store():
    with HTTPServer(("127.0.0.1", 0), _Store) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/v1"
        assert fetch_texts(url, "vs_1", "key") == ["text of file-1", "text of file-2"]
        server.shutdown()


def test_a_server_that_is_not_there_is_named():
    with pytest.raises(ModelNotFoundError, match="/v1/vector_stores/vs_1"):
        fetch_texts("http://127.0.0.1:9/v1", "vs_1", None)
