"""Rows of vectors out: tables of them in memory and in Parquet, with their lineage.

column is where they stand in a table, schema their Arrow form, parts the files, table what reads them as a matrix or in
batches, lineage where they come from and the refusal to mix spaces. No distances and no search here (analysis/), no jobs (serving/jobs).
"""
