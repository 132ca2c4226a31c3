"""Rows of images in, rows of vectors out, with their lineage.

open_table(source)        an image folder, CSV, TSV, JSON lines or Parquet     rows/tables.py
VectorTable.open(path)    the output of a scoring job, or any Parquet file     rows/vectors.py
Lineage                   which artifact gave the vectors                      rows/lineage.py
"""
