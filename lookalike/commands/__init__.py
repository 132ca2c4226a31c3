"""The commands: one file each, which parses, calls the libraries and prints.

A function's signature is the command line and its docstring the help text; lookalike/cli.py lists them in the order of
`--help`. Options that several commands take are in options.py, connecting.py (where a model runs) and engines.py (Ray);
targets.py says which file FILE|NAME means, stopping.py what SIGTERM does. lookalike/results/ puts answers into words.
Nothing here measures, chooses or reads data. A command imports its library when it runs; before, only the defaults of
its options, from files of serving/ that import nothing heavy.
"""
