"""Training the bundled generator: rows, masks and determinism, on text of our own."""

import os
import random
import subprocess
import sys

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from training.corpus import write_rows
from training.generator import Recipe, Training
from training.layout import Shape
from training.network import Network, Size, block_mask, to_transformers
from training.prompts import draw_prompts, own_sources
from training.rows import RowMaker
from training.scores import Rows
from training.tokenizer import save_tokenizer, train_tokenizer

SHAPE = Shape(length=192, context=120, supervised=96)
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rows")
    texts = [f"{content} {answer}" for content, answer in draw_prompts(random.Random(1), 300)]
    save_tokenizer(train_tokenizer(texts, size=700), folder / "tokenizer")
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer" / "tokenizer.json"))
    maker = RowMaker(tokenizer, own_sources())
    for number in (1, 2, 3):
        write_rows(maker, folder / f"stage{number}.npz", SHAPE, count=12, seed=number)
    return folder


@pytest.fixture(autouse=True)
def one_thread():
    """A busy machine gets fewer threads from MKL, which then adds in another order."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def losses(data, count):
    training = Training(Recipe(seed=5, rows_per_step=4, rows_per_pass=2), data)
    return [training.step(0.1) for _ in range(count)]


DRAW = """
import random
from training.prompts import draw_prompts
print(list(draw_prompts(random.Random(1), 40)))
"""


def test_the_same_seed_draws_the_same_prompts_in_every_process():
    drawn = [
        subprocess.run(
            [sys.executable, "-c", DRAW], env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True, check=True,
        ).stdout
        for seed in ("1", "2")
    ]  # fmt: skip
    assert len(drawn[0]) > 1000
    assert drawn[0] == drawn[1]


def test_the_same_seed_gives_the_same_losses(data):
    first = losses(data, 8)
    assert first == losses(data, 8)
    assert sum(first[6:]) < sum(first[:2])


def test_a_checkpoint_goes_on_where_it_stopped(data, tmp_path):
    recipe = Recipe(seed=5, rows_per_step=4, rows_per_pass=2)
    training = Training(recipe, data)
    training.step(0.1)
    training.save(tmp_path / "checkpoint.pt")
    expected = training.step(0.1)
    resumed = Training(recipe, data)
    resumed.load(tmp_path / "checkpoint.pt")
    assert resumed.step(0.1) == expected


def test_every_copied_token_is_where_the_row_says(data):
    batch = Rows(data / "stage1.npz").batch(0, 12)
    copied = batch["source"] >= 0
    there = batch["tokens"].gather(1, batch["source"].clamp(min=0))
    assert copied.sum() > 100
    assert torch.equal(there[copied], batch["label"][copied])


def test_a_tail_sees_the_passages_and_itself_only():
    seen = block_mask(torch.tensor([[0, 0, 1, 1, 2, 2, -1]]))[0, 0] == 0
    assert seen[5].tolist() == [True, True, False, False, True, True, False]
    assert seen[1].tolist() == [True, True, False, False, False, False, False]


def test_transformers_computes_the_same_logits(data):
    torch.manual_seed(1)
    network = Network(Size(vocabulary=700, layers=4, feed_forward=128)).eval()
    with torch.no_grad():
        for layer in network.layers:
            layer.output.normal_(std=0.05)
            layer.down.normal_(std=0.05)
    row = Rows(data / "stage1.npz").batch(0, 1)
    tail = row["segment"][0] == 2
    visible = (row["segment"][0] == 0) | tail
    at = torch.nonzero(row["tail"][0] == 2)[:, 0]
    with torch.inference_mode():
        ours = network(row)[0][0, at]
        ids = row["tokens"][0][visible][None]
        theirs = to_transformers(network, end=1, pad=0)(input_ids=ids).logits[0]
    places = np.flatnonzero(visible)
    order = [int(np.flatnonzero(places == int(p))[0]) for p in row["at"][0][at]]
    assert torch.allclose(ours, theirs[order], atol=1e-4)
