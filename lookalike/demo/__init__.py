"""The demo: the whole journey on real images, which `make demo` runs.

journey.py is the order of the steps, steps.py prints and runs their commands, data_sets.py names the images (digits.py,
emoji.py with its packages and symbols), triplets.py and raw_pixels.py are the table and the figures to compare with.
Every step is a command that a user could type: nothing here trains, exports, scores or searches in a way of its own.
"""
