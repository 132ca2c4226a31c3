"""Vectors that others wrote: any file of them as rows (opening), and columns from a table beside them (joined).

arrays reads NumPy's files, tables everything that rows/formats reads; numbered and written make one column of vectors
of e0, e1, ... and of JSON lists in text; what cannot be read twice at a bearable price is spooled. Here no row is left
out (rows/vectors/left_out.py), nothing is said of spaces, and images are none of it.
"""
