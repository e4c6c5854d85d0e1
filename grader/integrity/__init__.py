"""Is the work what it looks like? Measurements that end in flags for a person, and never in points.

`examine.examine` looks at one submission while its network is at hand; `copies.flag_copies` at a
whole class, and does without torch.
"""
