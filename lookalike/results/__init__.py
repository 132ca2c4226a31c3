"""Results in words: what the commands print, one file for each kind of result.

Each takes what a library function gave and prints it to stdout, for people or as JSON; what is odd about it goes to
stderr. The forms themselves (facts, tables, notes, JSON) are in lookalike/console.py. Nothing here computes a figure,
opens a file or knows an option, and nothing imports torch.
"""
