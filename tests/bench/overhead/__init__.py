"""What all of ours costs a server: beside stock vLLM, in pairs, with intervals (`make bench`)."""
