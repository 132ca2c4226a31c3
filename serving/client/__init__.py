"""The Scorer and who runs the artifact for it: this process, or servers."""
