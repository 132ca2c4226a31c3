"""Vectors to answers: neighbours, search, clusters, metrics. faiss and scikit-learn are loaded when first used.

Index                                     search on disk, exact or not         analysis/search/index.py
nearest(references, queries, k)           exact neighbours                     analysis/neighbours/nearest.py
kmeans(vectors, k)                        clusters of vectors                  analysis/clusters/kmeans.py
cluster_table(table, k, file)             clusters of a table, described       analysis/clusters/table_clusters.py
silhouette(vectors, assignments, sizes)   how well clusters stand apart        analysis/measures/silhouette.py
retrieval_metrics, clustering_metrics     recall@k, P@k, mAP, mAP@R; NMI       analysis/measures/retrieval.py
verification_metrics(vectors, labels)     ROC, AUC, EER, TAR@FAR               analysis/measures/verification.py
decision_threshold(vectors, labels)       same iff distance <= value           analysis/measures/threshold.py
ranking_accuracy(vectors, tuples)         triplets and quartets in order       analysis/measures/ranking_accuracy.py
mean_interval, class_intervals            confidence intervals                 analysis/measures/intervals.py
evaluate(table, label)                    all metrics of a scored table        analysis/evaluation/labelled_tables.py
"""
