"""`make clients`: clients that people have talk to the running server, held against its records."""

from stack.builds import venv
from stack.errors import Fault
from stack.http import probe
from stack.parts.table import CORE
from stack.settings import Settings


def clients(settings: Settings) -> int:
    """Run the matrix in the clients' own environment; returns its status; raises Fault."""
    server = CORE[0]
    if not probe(server.probe_url):
        start = "`make up`; docs/clients.md says how to start it so that every cell can be asked"
        raise Fault(f"no server is ready on {server.probe_url}", start)
    return venv.run_module(settings, "clients", "clients")
