"""Rows of vectors out: tables of them in memory and in files, with their lineage.

table reads them as a matrix or in batches, over stored (parts, memory), own (anybody's files) and left_out (rows with
no finite vector); column says where they stand, schema is their Arrow form, parts the files, lineage is where they come
from and the refusal to mix spaces. No distances and no search (analysis/), no jobs.
"""
