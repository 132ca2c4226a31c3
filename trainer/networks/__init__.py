"""Networks: base networks by name (conv4, timm, a user's own), cut and pooled, and the branch that is made of one.

base_networks.py chooses among the sources, each of which is a subclass of SourceNetwork; stages.py and pooling.py take
networks apart, branch.py puts the embedding layer on top. May not be here: images, losses, how weights move.
"""
