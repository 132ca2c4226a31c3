"""Rows of images in, rows of vectors out, with their lineage.

open_table(source)        images as folders, files, shards or Arrow tables     rows/tables.py
VectorTable.open(path)    the output of a scoring job, or any Parquet file     rows/vectors/table.py
Lineage                   which artifact gave the vectors                      rows/vectors/lineage.py
"""
