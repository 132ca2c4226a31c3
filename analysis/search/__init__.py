"""Search: an index over a table of vectors, on disk and mapped from there (index.py), and its kinds (index_kinds.py).

A new kind is one function and one line in INDEX_KINDS. Recall of an approximate kind is measured by
measures/index_recall.py. Models and images stay outside: queries come as vectors.
"""
