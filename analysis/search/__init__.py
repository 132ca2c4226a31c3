"""Search: an index over a table of vectors (index.py), its files (index_files.py) and kinds (index_kinds.py; of codes:
coded_kinds.py), how it grows (growth.py), which rows a condition leaves (conditions/), what is asked of it (queries.py,
query_images.py, query_attributes.py, combined.py), and its answers in another order (reranked.py).

A new kind is one function and one line in INDEX_KINDS, and one in growing_kinds.py where it can change. Recall of an
approximate kind is measured by measures/index_recall.py. Models and images stay outside: queries come as vectors.
"""
