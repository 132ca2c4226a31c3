"""The ground floor: what an artifact is, how an image becomes pixels, how a repository keeps artifacts.

model/ is one file, repository/ a folder of them; preprocessing and image_batch are the pixels, kinds, losses and
distances the formulas; arrays, atomic, cores, errors, events and locks serve every room. It imports no other package of
the project, and no torch.
"""
