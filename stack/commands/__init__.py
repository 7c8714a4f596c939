"""What `make` offers: one module a command, and what `make up` says at its end."""
