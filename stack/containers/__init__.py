"""The parts as containers, with official images or stand-ins."""
