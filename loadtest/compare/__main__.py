"""Run as `python -m loadtest.compare A B`."""

import sys

from loadtest.compare.command import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
