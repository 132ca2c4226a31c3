"""What runs in the environment that holds cleanlab, which is none of ours: benchmarks/label_errors.py makes it."""
