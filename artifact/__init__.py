"""The ground floor: what an artifact is, how an image becomes pixels, how a repository keeps artifacts.

model/ is one file, repository/ a folder of them; preprocessing and image_batch are the pixels; kinds says which images
and distances a model has, losses/ and distances/ are the formulas, written over a namespace and named in a registry.
arrays, atomic, cores, errors, events and locks serve every room. It imports no other package of the project, and no
torch.
"""
