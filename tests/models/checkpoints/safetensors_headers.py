"""Writes files of weights with headers and nothing behind them."""

import json
import math
import struct

BYTES = {"F32": 4, "BF16": 2, "F16": 2, "I32": 4, "I64": 8, "U8": 1, "F8_E4M3": 1}


def write_weights(path, tensors):
    """Writes a file; `tensors` has name -> (type, shape)."""
    header, start = {}, 0
    for name, (dtype, shape) in tensors.items():
        end = start + math.prod(shape) * BYTES[dtype]
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}
        start = end
    raw = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(raw)) + raw)
