"""A reply in which two tensors share their bytes, lie outside of them, or claim more than there are.
lost = ["conv_*"]
"""

import json


def strike(*args, **kwargs):
    attempted()
    wrong = {
        "0": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 8]},
        "1": {"dtype": "F32", "shape": [2], "data_offsets": [4, 12]},
    }
    header = json.dumps(wrong).encode()
    protocol = sys.modules["boxed.protocol"]
    honest = protocol.encode_value

    def encode(value):
        protocol.encode_value = honest
        return {"tensor": "0"}, len(header).to_bytes(8, "little") + header + bytes(12)

    protocol.encode_value = encode
    return 7


conv_output_size = conv_parameter_count = strike
