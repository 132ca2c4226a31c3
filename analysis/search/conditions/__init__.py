"""Conditions on rows, as `search --where` takes them: the rows of a table for which one is true (matching.py).

The text is read in text.py, its sides are compared in comparisons.py, dates and times become numbers in times.py.
Nothing here runs SQL or Python of others, and nothing knows of vectors.
"""
