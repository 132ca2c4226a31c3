"""Ground floor: what an artifact is, how an image becomes pixels, how a repository keeps both."""
