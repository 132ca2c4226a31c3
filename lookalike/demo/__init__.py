"""The whole journey on real images: what `make demo` runs."""
