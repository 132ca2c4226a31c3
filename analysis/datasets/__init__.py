"""Questions to a set of images as a whole, answered by its vectors: today the map (projection.py).

Duplicates, outliers, label errors, comparison and selection will stand here, a file each. Figures stay in measures,
search in its own room, and what is drawn from an answer in pages/.
"""
