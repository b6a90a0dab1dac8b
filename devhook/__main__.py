"""`python -m devhook`."""

import sys

from devhook.cli import main

sys.exit(main())
