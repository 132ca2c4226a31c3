"""Vectors to answers: neighbours, search, clusters, metrics. faiss and scikit-learn are loaded when first used.

Index                                     search on disk                       analysis/index.py
nearest(references, queries, k)           exact neighbours                     analysis/neighbours.py
kmeans(vectors, k), cluster_table(...)    clusters                             analysis/clusters.py
retrieval_metrics, clustering_metrics     recall@k, P@k, mAP, mAP@R; NMI       analysis/metrics.py
verification_metrics(vectors, labels)     ROC, AUC, EER, TAR@FAR               analysis/roc.py
decision_threshold(vectors, labels)       same iff distance <= value           analysis/verification.py
ranking_accuracy(vectors, tuples)         triplets and quartets in order       analysis/tuples.py
mean_interval, class_intervals            confidence intervals                 analysis/intervals.py
evaluate(table, label)                    all metrics of a scored table        analysis/evaluation.py
"""
