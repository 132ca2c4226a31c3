"""The commands, one file for each step of the journey; each parses, calls one library function and prints."""
