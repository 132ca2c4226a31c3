"""Questions to a set of images as a whole, answered by its vectors: a file or a room each. Figures stay in measures,
search in its own room, and what is drawn from an answer in pages/.

duplicates    exact copies, groups within a threshold, leaks between two sets
outliers      rows far from all others
label_errors  rows whose label the others contradict, by the views of mislabelled/
selection     what to label next, by the methods of selecting/
comparison    whether two sets differ, in which pictures and in which regions
maps          vectors in the plane by PCA, UMAP or PaCMAP, kept as a table, and new ones placed among old
projection    the two directions in which vectors vary most: of a matrix, and of a table of any size
"""
