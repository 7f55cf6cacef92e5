"""Runs a cross-encoder that joins late, and keeps the states of texts that come again.

    [CLS] question [SEP]     [CLS] passage [SEP]
            |                        |
          alone                    alone          most layers; kept by the tokens of the text
            '---------- joined ------'            the others, for each pair anew

A store has few passages that many questions lead to, and one question goes with many passages.
"""

from collections import OrderedDict
from collections.abc import Sequence
from functools import partial

import numpy as np

from models.encoders.batches import batches_of
from models.encoders.encoder_engine import Ids, LateModel, Rows

Pair = tuple[Sequence[int], Sequence[int]]  # token ids with [CLS] and [SEP], and token types


class LateStates:
    """See the module's docstring. Not thread-safe.

    Args:
        model: the two steps.
        pad_id: the token that fills a batch.
        batch_size: most texts in a forward pass.
        pass_tokens: see `models.encoders.batches.batches_of`.
        max_bytes: of the states that are kept; those used longest ago go first.
    """

    def __init__(
        self,
        model: LateModel,
        *,
        pad_id: int,
        batch_size: int,
        pass_tokens: int | None,
        max_bytes: int = 0,
    ) -> None:
        self._model = model
        self._pad_id = pad_id
        self._split = partial(batches_of, most=batch_size, pass_tokens=pass_tokens)
        self._max_bytes = max_bytes
        self._kept: OrderedDict[bytes, Rows] = OrderedDict()
        self._num_bytes = 0

    def rows(self, pairs: Sequence[Pair]) -> Rows:
        """Runs pairs; gives float32, (n_pairs, width), in their order."""
        texts = [_texts(pair) for pair in pairs]
        states = self._states({part.tobytes(): part for both in texts for part in both})
        found: list[Rows] = []
        batches = self._split([len(ids) for ids, _ in pairs])
        for batch in batches:
            ids, mask = self._padded([np.asarray(pairs[i][0], np.int64) for i in batch])
            types, _ = self._padded([np.asarray(pairs[i][1], np.int64) for i in batch], fill=0)
            parts = [[states[part.tobytes()] for part in texts[i]] for i in batch]
            hidden = np.zeros((*ids.shape, parts[0][0].shape[1]), np.float32)
            for row, (first, second) in enumerate(parts):
                hidden[row, : len(first)] = first
                hidden[row, len(first) : len(first) + len(second) - 1] = second[1:]
            found.append(self._model.joined(ids, mask, types, hidden))
        rows = np.concatenate(found)
        in_order = np.empty_like(rows)
        in_order[np.concatenate(batches)] = rows
        return in_order

    def _states(self, texts: dict[bytes, Ids]) -> dict[bytes, Rows]:
        """Gives the states of each text, computing those that are not kept."""
        states = {key: self._kept[key] for key in texts if key in self._kept}
        missing = sorted(texts.keys() - states.keys())
        for batch in self._split([len(texts[key]) for key in missing]):
            keys = [missing[place] for place in batch]
            ids, mask = self._padded([texts[key] for key in keys])
            for key, found in zip(keys, self._model.alone(ids, mask), strict=True):
                states[key] = found[: len(texts[key])].copy()  # a view would keep the whole batch
        for key, found in states.items():
            self._keep(key, found)
        return states

    def _keep(self, key: bytes, states: Rows) -> None:
        if key not in self._kept:
            self._num_bytes += states.nbytes
        self._kept[key] = states
        self._kept.move_to_end(key)
        while self._num_bytes > self._max_bytes:
            _, oldest = self._kept.popitem(last=False)
            self._num_bytes -= oldest.nbytes

    def _padded(self, rows: Sequence[Ids], fill: int | None = None) -> tuple[Ids, Ids]:
        shape = (len(rows), max(map(len, rows)))
        padded = np.full(shape, self._pad_id if fill is None else fill, np.int64)
        mask = np.zeros(shape, np.int64)
        for row, values in enumerate(rows):
            padded[row, : len(values)], mask[row, : len(values)] = values, 1
        return padded, mask


def _texts(pair: Pair) -> tuple[Ids, Ids]:
    """Gives question and passage as if each stood alone."""
    ids, types = (np.asarray(part, np.int64) for part in pair)
    is_second = types == 1
    return ids[~is_second], np.concatenate([ids[:1], ids[is_second]])
