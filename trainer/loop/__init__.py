"""The loop: `fit` prepares a run, trains it epoch by epoch, measures what is held out, and writes the run folder.

fit.py is the whole in one page, untrained.py that of a run without a step; preparation, budget (with trial), training,
epoch, assessment, resumption and finishing are their parts; distributed, shares and interruption are what they stand
on. Not here: what other rooms of trainer/ do without the loop; printing.
"""
