"""Formats of tables of images: one file with a Source for each, and the opening of any of them.

Source (source.py) is what a format gives: a schema, and Arrow tables of some columns from some row on. FORMATS
(opening.py) lists the formats of files; folder.py is the one reader of image folders, for everybody.
Not here: columns by role (rows/columns.py), decoding of images, vectors (rows/vectors).
"""
