"""One conversation of each client with each feature: what talks, and knows of no record."""
