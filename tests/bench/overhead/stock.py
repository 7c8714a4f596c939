"""vLLM's own API server, which sleeps where ours sleeps: on few cores (decision 11)."""

import runpy

from server.few_cores import sleep_between_looks

# Its children import this module again.
sleep_between_looks()

if __name__ == "__main__":
    runpy.run_module("vllm.entrypoints.openai.api_server", run_name="__main__")
