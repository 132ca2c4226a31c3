"""Vectors to answers: neighbours, search, clusters, metrics. faiss and scikit-learn are loaded when first used.

Index                                     search on disk                       analysis/index.py
nearest(references, queries, k)           exact neighbours                     analysis/neighbours.py
kmeans(vectors, k), cluster_table(...)    clusters                             analysis/clusters.py
retrieval_metrics, clustering_metrics     recall@k, mAP, mAP@R; purity, NMI    analysis/metrics.py
decision_threshold(vectors, labels)       same iff distance <= value           analysis/verification.py
evaluate(table, label)                    all metrics of a scored table        analysis/evaluation.py
"""
