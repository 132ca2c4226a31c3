"""Every measure, once: pure functions from vectors, labels and distances to numbers.

ranks.py, ranking.py -> retrieval.py, paired.py, confusion.py     pairs.py, roc.py -> verification.py, threshold.py
attribute_rows.py -> attribute_triplets.py, attribute_retrieval.py of rows of attributes
ranking_accuracy.py of tuples, clustering.py and silhouette.py of clusters, index_recall.py of an approximate index
intervals.py gives all of them their confidence intervals, support.py says what each rests on and whether that is enough

Whoever shows a figure takes it from here, and whoever needs it twice hands on the result. No files, no printing.
"""
