"""`python3 -m stack COMMAND`; refuses an old Python before it imports what that cannot read."""

import sys

if sys.version_info < (3, 11):
    sys.exit(
        "Python %d.%d is too old, 3.11 or newer is needed: install one and run "
        "`make up PYTHON=python3.11`" % sys.version_info[:2]
    )

from stack.cli import main

sys.exit(main(sys.argv[1:]))
