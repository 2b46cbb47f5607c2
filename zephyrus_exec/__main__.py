"""`python -m zephyrus_exec`."""

import sys

from .cli import main

sys.exit(main())
