"""What a new vLLM would break here: the places we hold on to, read in its sources, never run."""
