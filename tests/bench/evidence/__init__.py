"""The long runs that CI cannot hold, and what they found, in the docs (`make evidence`)."""
