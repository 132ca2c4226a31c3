"""Decoded pixels of a training: in memory, on disk between runs, or decoded each time.

PixelStore (store.py) gives the pixels of any images; PixelCache (cache.py) keeps them on disk in files of rows
(segment.py), with the content hashes of the files they come from (file_hashes.py); docs/decisions/0012 has its worth.
Not here: classes, names and splits (trainer/data), and how an image is decoded (artifact/images/preprocessing.py).
"""
