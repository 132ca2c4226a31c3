"""The embedding layer set by a formula after training: regularised LDA or whitened PCA of the images' features.

closed_form.py is the formula, on scatter.py and subspace.py; features.py gathers what it is fitted on, by sample.py
where there are many images. set_aside.py takes the classes that choose, choice.py weighs heads on them, scale.py keeps
the trained layer's distances. final.py is the head that a run ends with, untrained.py the one where nothing is trained.
Not here: training, run folders, vectors, the words of heads (trainer/config/head.py).
"""
