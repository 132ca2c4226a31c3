"""Batches: classes with several images each, or tuples drawn at random or given by a table.

Each is a pure function of seed and epoch and can be dealt again from any batch on. Those too small for the network's
layers are filled up (filling.py). May not be here: pixels, which are fetched by their rows, and mining, which reads
tuples off the vectors of a batch (trainer/objective).
"""
