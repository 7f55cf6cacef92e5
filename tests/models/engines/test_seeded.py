"""The draw that both engines share: the right distribution, the same in any batch and engine."""

import pytest
import torch

from models.engines.seeded import Draw, drawn_scores, gumbel_noise, noise_keys, noise_of

SIZE = 6151  # a prime: no vector unit divides it
SMALLEST, GREATEST = -(2**63), 2**63 - 1


def draw(seed=7, temperature=1.0, top_p=1.0, top_k=0):
    return Draw(seed=seed, temperature=temperature, top_p=top_p, top_k=top_k)


def logits(num_rows, size=SIZE):
    return torch.randn(num_rows, size, generator=torch.Generator().manual_seed(3)) * 3


def scores_of(values, draws, positions):
    return drawn_scores(values.clone(), range(len(draws)), draws, positions)


def reference_key(seed, position):
    """The key in whole numbers, as `noise_keys` makes it in vectors."""
    mask = 2**32 - 1

    def mix(value):
        value = ((value ^ (value >> 16)) * 0x7FEB352D) & mask
        value = ((value ^ (value >> 15)) * 0x846CA68B) & mask
        return value ^ (value >> 16)

    key = seed & mask
    for part in ((seed >> 32) & mask, position & mask):
        key = mix(key ^ mix((part + 0x9E3779B9) & mask))
    return key


def test_the_keys_are_those_of_the_hash_for_every_seed_and_position():
    pairs = [(0, 0), (7, 3), (-1, 99), (SMALLEST, 1), (GREATEST, 2**31), (2**32, 5)]
    seeds, positions = (torch.tensor(column) for column in zip(*pairs, strict=True))
    keys = [int(key) % 2**32 for key in noise_keys(seeds, positions)]
    assert keys == [reference_key(*pair) for pair in pairs]
    assert len(set(keys)) == len(pairs)


def test_the_noise_is_gumbel_noise():
    noise = gumbel_noise(noise_keys(torch.arange(64), torch.arange(64)), SIZE)
    assert noise.mean().item() == pytest.approx(0.5772, abs=0.01)  # Euler's constant
    assert noise.var().item() == pytest.approx(1.6449, abs=0.03)  # pi^2 / 6
    assert torch.isfinite(noise).all()


def test_no_bits_make_endless_noise():
    # A token whose noise is without end is drawn whatever its score, one that a mask forbids too.
    bits = torch.arange(-(2**31), 2**31, 2**8, dtype=torch.int32)  # all that a float32 can tell
    assert torch.isfinite(noise_of(bits)).all()


@pytest.mark.parametrize(
    ("top_p", "top_k", "expected"),
    [
        (1.0, 0, [0.4, 0.3, 0.2, 0.1]),
        (1.0, 2, [4 / 7, 3 / 7, 0, 0]),
        (0.6, 0, [4 / 7, 3 / 7, 0, 0]),
        (0.5, 3, [4 / 7, 3 / 7, 0, 0]),  # of the mass that top_k leaves
        (0.01, 0, [1, 0, 0, 0]),
    ],
)
def test_tokens_come_as_often_as_their_probability_says(top_p, top_k, expected):
    num = 20_000
    values = torch.log(torch.tensor([[0.4, 0.3, 0.2, 0.1]])).expand(num, 4)
    draws = [draw(top_p=top_p, top_k=top_k)] * num
    picked = scores_of(values, draws, range(num)).argmax(-1)
    shares = torch.bincount(picked, minlength=4) / num
    # Five standard deviations of a share among so many draws.
    assert shares.tolist() == pytest.approx(expected, abs=5 * 0.5 / num**0.5)
    assert [share > 0 for share in shares.tolist()] == [share > 0 for share in expected]


DRAWS = [
    draw(seed=1), draw(seed=2, top_p=0.9), draw(seed=3, top_k=5),
    draw(seed=4, top_p=0.3, top_k=40), draw(seed=-1, temperature=2.0, top_p=0.999),
    draw(seed=6, temperature=0.01), draw(seed=SMALLEST), draw(seed=GREATEST, top_k=3000),
    draw(seed=9, temperature=2.0, top_p=0.99, top_k=2000),
]  # fmt: skip


def test_a_row_is_the_same_alone_and_in_any_batch_to_the_last_bit():
    values, positions = logits(len(DRAWS)), range(100, 100 + len(DRAWS))
    together = scores_of(values, DRAWS, positions)
    for row, one in enumerate(DRAWS):
        alone = scores_of(values[row : row + 1], [one], [positions[row]])
        assert torch.equal(alone[0], together[row])
    backwards = drawn_scores(values.clone(), range(8, -1, -1), DRAWS[::-1], positions[::-1])
    assert torch.equal(backwards, together)


def test_a_nucleus_beyond_the_sorted_scores_is_still_exact():
    values = logits(1) / 100  # flat: 0.9 of the mass are thousands of tokens
    scores = scores_of(values, [draw(top_p=0.9)], [5])
    probabilities = values.double().softmax(-1)[0].sort(descending=True).values
    expected = int((probabilities.cumsum(0) - probabilities < 0.9).sum())
    assert int(torch.isfinite(scores).sum()) == pytest.approx(expected, abs=1)
    assert expected > 4000


def test_rows_without_a_draw_stay_as_they_are():
    values = logits(4)
    scores = drawn_scores(values.clone(), [2], [draw()], [9])
    assert torch.equal(scores[[0, 1, 3]], values[[0, 1, 3]])
    assert not torch.equal(scores[2], values[2])
    assert torch.equal(drawn_scores(values.clone(), [], [], []), values)


@pytest.mark.parametrize("temperature", [1e-3, 1e-30, 1e-300])
def test_a_temperature_near_zero_is_greedy_and_not_raised(temperature):
    values = torch.tensor([[1.0, 1.1, 0.9, float("-inf")]])
    for seed in range(50):
        scores = scores_of(values, [draw(seed=seed, temperature=temperature)], [1])
        assert scores.argmax() == 1
        assert not scores.isnan().any()


def test_what_a_mask_forbids_is_never_drawn():
    values = logits(1)
    values[0, 10:] = float("-inf")
    for position in range(200):
        picked = scores_of(values, [draw(temperature=2.0, top_p=0.99)], [position]).argmax()
        assert picked < 10
