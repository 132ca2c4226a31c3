"""Vectors to answers: neighbours, search, clusters, metrics. faiss and scikit-learn are loaded when first used.

Index                                     search on disk, exact or not         analysis/index.py
nearest(references, queries, k)           exact neighbours                     analysis/neighbours.py
kmeans(vectors, k)                        clusters of vectors                  analysis/kmeans.py
cluster_table(table, k, file)             clusters of a table, described       analysis/clusters.py
silhouette(vectors, assignments, sizes)   how well clusters stand apart        analysis/silhouette.py
retrieval_metrics, clustering_metrics     recall@k, P@k, mAP, mAP@R; NMI       analysis/metrics.py
verification_metrics(vectors, labels)     ROC, AUC, EER, TAR@FAR               analysis/roc.py
decision_threshold(vectors, labels)       same iff distance <= value           analysis/verification.py
ranking_accuracy(vectors, tuples)         triplets and quartets in order       analysis/tuples.py
mean_interval, class_intervals            confidence intervals                 analysis/intervals.py
evaluate(table, label)                    all metrics of a scored table        analysis/evaluation.py
"""
