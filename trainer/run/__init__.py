"""The run folder: names of its files, facts, checkpoints, and a run read back.

folder.py writes what stands there from the start, checkpoint.py weights and state, facts.py what a run says of itself;
saved_run.py reads. May not be here: training, or anything that reads images.
"""
