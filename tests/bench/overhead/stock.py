"""vLLM's own API server, which sleeps where ours sleeps: on few cores (decision 11)."""

import runpy

from server.few_cores import sleep_between_looks
from server.parent_death import die_with_parent

# Its children import this module again. A session of its own hears no closed terminal.
sleep_between_looks()
die_with_parent()

if __name__ == "__main__":
    runpy.run_module("vllm.entrypoints.openai.api_server", run_name="__main__")
