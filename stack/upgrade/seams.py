"""The one list of what we hold on to in vLLM; a test holds it against the installed one.

What can be read in our own code is in no list: imports, flags, environment variables, metrics and
routes (stack/upgrade/ours.py).
"""

from stack.upgrade.seams_engine import ENGINE
from stack.upgrade.seams_routes import ROUTES
from stack.upgrade.seams_server import SERVER

SEAMS = (*ENGINE, *SERVER, *ROUTES)
