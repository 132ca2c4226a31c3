"""Why two pictures are alike: parts of each are hidden in turn, and what that does to their distance is a map.

patches.py: where parts are hidden; hiding.py: what stands in their place; occlusion.py: the runs, the maps and the
regions that matter most. NumPy over a Scorer and nothing else: no gradients, so any artifact of images can be asked, an
adopted one too, here or on a server.
"""
