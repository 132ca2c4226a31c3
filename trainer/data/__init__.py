"""Data to train on and to validate on: image sets, their splits, and tuples of tables.

A folder of class folders or a table becomes ImageFiles or TupleFiles (names and places, nothing read), then a Dataset
(contents and pixels), then a DataSplit (what is trained on and what is held out). Files are found and tables opened by
rows/, the same for training, scoring and calibration; pixels are kept by trainer/pixels.
Not here: what a batch is made of (trainer/sampling), what is done to pixels (trainer/augment), networks.
"""
