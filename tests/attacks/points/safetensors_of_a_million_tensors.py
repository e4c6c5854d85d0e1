"""A reply whose tensors are a million empty ones, described in more bytes than they hold.
lost = ["conv_*"]
"""

import json


def strike(*args, **kwargs):
    attempted()
    many = {str(n): {"dtype": "U8", "shape": [0], "data_offsets": [0, 0]} for n in range(100_000)}
    header = json.dumps(many).encode()
    sys.modules["boxed.protocol"].encode_value = forged(header, sys.modules["boxed.protocol"].encode_value)
    return 7


def forged(header, honest):
    def encode(value):
        sys.modules["boxed.protocol"].encode_value = honest
        return {"tensor": "5"}, len(header).to_bytes(8, "little") + header

    return encode


conv_output_size = conv_parameter_count = strike
