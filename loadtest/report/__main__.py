"""Run as `python -m loadtest.report [FOLDER]`."""

import sys

from loadtest.reconcile.reconciliation import reconcile
from loadtest.report.command import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], reconcile))
