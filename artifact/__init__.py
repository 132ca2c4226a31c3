"""Ground floor: what an artifact is, how an image becomes pixels, and how a repository keeps both. Imports no other floor."""
