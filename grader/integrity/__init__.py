"""Is the work what it looks like? Measurements that end in flags for a person, and never in points.

`examine.examine` looks at one submission while its network is at hand, `examine.examine_texts` at its
code and answers; `copies.flag_copies` at a whole class, by what was kept of each.
"""
