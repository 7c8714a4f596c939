"""`python -m loadtest.replay`, by `make replay`."""

import os
import sys

from loadtest.replay.command import main

sys.exit(main(sys.argv[1:], os.environ))
