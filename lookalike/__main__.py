"""The `lookalike` command as a module: `python -m lookalike`."""

import sys

from lookalike.cli import main

sys.exit(main())
