"""Methods of selection.py, one file each: candidates and what is labelled in, an order to label in out.

representative   rows that many others are near to
diverse          rows that are far from all before
A new method is one file and one line in METHODS of selection.py.
"""
