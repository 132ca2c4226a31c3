"""Towers beside the image tower: networks of what else is known of an image, ending in its space.

attribute_tower is such a network, towers the dict of them, flips changes rows of attributes, candidates says which rows
an image is told from, and objective makes one loss of a batch. Not here: tables (trainer/data), batches
(trainer/sampling), and the loop, which is that of one tower.
"""
