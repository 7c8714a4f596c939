"""Which parts run: the table of them, the choice of stores, and what the last `make up` chose."""
