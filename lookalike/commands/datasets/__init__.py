"""Commands that ask something of a set of images as a whole, by its vectors: one file each, as in the folder above.

What they compute stands in analysis/datasets, what they draw in pages/, and how they print in lookalike/results.
"""
