"""The embedding layer set by a formula after training: regularised LDA or whitened PCA of the images' features.

closed_form.py is the formula, on scatter.py and subspace.py; features.py gathers what it is fitted on, choice.py weighs
it against the trained layer, scale.py keeps the trained layer's distances; untrained.py is the head where nothing is
trained. Not here: training, run folders, vectors.
"""
