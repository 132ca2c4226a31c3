"""Vectors that were computed before, by a SHA-256 of what they were computed from; opt-in (`cache_mb`).

The cache knows arrays and how to have rows computed, never a model, a queue or a transport.
"""
