"""`python -m hafence`: the same as the `hafence` command."""

import sys

from .cli import main

sys.exit(main())
