"""Sets of pictures that benchmarks train on, drawn or cut once from packages that are fetched, and kept in build/."""
