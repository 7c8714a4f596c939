"""The seam through which everybody reads traces and logs: two protocols, one module a store."""
