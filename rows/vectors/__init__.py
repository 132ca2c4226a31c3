"""Rows of vectors out: tables of them in memory and in Parquet, with their lineage.

column says where they stand in a table, schema is their Arrow form, parts the files, table reads them as a matrix or in
batches, lineage is where they come from and the refusal to mix spaces. No distances and no search (analysis/), no jobs.
"""
