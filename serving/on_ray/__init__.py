"""The parts of a job made on a Ray cluster."""
