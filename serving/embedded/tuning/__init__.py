"""What runs a model fastest on this machine: measuring (cells, the choice), running (real sessions), tune.

A measurement runs sessions of its own, never those that serve; tune writes what was chosen into a model's config.
"""
