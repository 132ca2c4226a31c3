"""Triplets to train on, drawn from images with classes by how relevant they are to each other.

class_images.py has the images with their classes, features.py what relevance is measured on (vectors, or pixels),
buffers.py what is kept of each class, drawing.py the triplets; sampling.py is the whole of it, and writes the table.
After Wang et al. 2014, "Learning Fine-grained Image Similarity with Deep Ranking". Not here: training.
"""
