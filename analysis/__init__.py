"""Vectors to answers, in rooms of which each imports only those below it; no torch, and nothing of serving.

evaluation    all figures of a table, and examples to look at
datasets      questions to a set of images as a whole: the map of its vectors
search        indexes on disk                               clusters    k-means of vectors and of tables
measures      every figure, once: retrieval, verification, thresholds, clustering, intervals
neighbours    distances of all pairs, nearest neighbours; labels, samples, checks and batches for everybody

faiss is loaded when it is first used.
"""
