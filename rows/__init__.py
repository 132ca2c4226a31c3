"""Rows of images in, rows of vectors out, with their lineage.

open_table(source)        images as folders, files, shards or Arrow tables     tables.py, over formats/
open_attribute_table()    rows of attributes, in the same formats              attribute_tables.py
VectorTable.open(path)    the output of a scoring job, or any file of vectors   vectors/table.py
Lineage                   which artifact gave the vectors                      vectors/lineage.py
push(vectors, place)      vectors into a database                              stores/push.py

Not here: decoding (artifact/images/preprocessing.py), models and requests (serving/), measures (analysis/), torch.
"""
