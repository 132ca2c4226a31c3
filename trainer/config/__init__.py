"""Settings of a training run: typed and frozen, checked against each other, and resolved in one place.

settings.py and config.py say what can be set, checks.py and complaints.py refuse it in one line, resolution.py fills in
what was left open, length.py how long a run is; begun.py and continuing.py say what holds for a run that goes on. May
not be here: images, networks, a user's code or torch; what is known of them comes in as values.
"""
