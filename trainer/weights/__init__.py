"""Weights while they train: optimizer and rates, precision, freezing and features computed once, moving average.

Everything is a function of step, epoch and settings, so that a resumed run does the same. May not be here: batches,
losses, files of a run.
"""
