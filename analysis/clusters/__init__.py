"""Clusters: k-means of vectors in memory (kmeans.py), and of a table of any size, with a file (table_clusters.py).

How good clusters are is told by measures (silhouette.py, clustering.py), not here. A new way to cluster is a new file.
"""
