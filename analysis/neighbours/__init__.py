"""Distances and neighbours: all pairs in blocks (pairwise.py), the nearest by faiss (nearest.py), rows by what they
share (reciprocal.py).

Beside them what every other room starts from: labels as codes, checks of vectors, seeded samples of rows, and the rows
of a table in batches. Nothing here says how good vectors are.
"""
