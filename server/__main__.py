"""`python -m server`: vLLM's OpenAI server, observed; takes the flags of `vllm serve`."""

from server.launcher import main

# vLLM starts its engine core as a new process that imports this module again.
if __name__ == "__main__":
    main()
