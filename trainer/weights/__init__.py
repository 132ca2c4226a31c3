"""Weights while they train: optimizer and rates, precision, freezing and features computed once, moving average.

Everything is a function of step, epoch and settings, so that a resumed run does the same. May not be here: how batches
are drawn, losses, checkpoints (trainer/run); the one file, of features that have no room in memory, has no name.
"""
