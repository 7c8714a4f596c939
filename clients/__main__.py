"""`make clients`: the matrix of clients x features on the running server."""

import os
import sys
from pathlib import Path

# What a person has set for other servers would be talked to, or be told.
for _name in [*os.environ]:
    if _name.upper().startswith(("OPENAI_", "ANTHROPIC_", "LANGCHAIN_", "LANGSMITH_", "LITELLM_")):
        del os.environ[_name]
os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"

from clients.command import main  # noqa: E402, the packages read the environment when imported
from stack.errors import Fault  # noqa: E402
from stack.say import complain  # noqa: E402

if __name__ == "__main__":
    try:
        sys.exit(main(Path(__file__).parents[1]))
    except Fault as fault:
        complain(str(fault))
        sys.exit(fault.code)
