"""Evaluation: all figures of a table in one answer, and examples of how queries were answered.

labelled_tables.py has a column of classes, tuple_tables.py only the distances of scored tuples; counts.py says which
count each figure rests on, reranking.py what re-ranking gains. What a figure is stands in measures; here it is only
chosen, limited and put together. Nothing is printed or drawn.
"""
