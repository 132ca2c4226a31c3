"""Pages to look at, each one HTML file that needs nothing else: a run's report, the demo's page, a search, a map.

Plain data comes in (dataclasses, dicts, arrays; findings.py holds those of a report), HTML goes out: plots as SVG
(plot.py), pictures as data URLs (pictures.py), templates that extend paper.html.jinja. Colours stand in palette.py.
No measure is computed and no sample drawn here, so no number of a page can differ from the one printed elsewhere.
Imports artifact and rows only: neither analysis nor serving, no trainer, no torch.
"""
