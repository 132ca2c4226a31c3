"""Vectors into other programs' databases; one file for each, a line for each in STORES of programs.py."""
