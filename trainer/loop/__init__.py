"""The loop: `fit` prepares a run, trains it epoch by epoch, measures what is held out, and writes the run folder.

fit.py is the whole in one page; preparation, budget (with trial), training, epoch, assessment and resumption are its
parts; distributed, shares and interruption are what they stand on. Not here: what other rooms of trainer/ do without
the loop; printing.
"""
