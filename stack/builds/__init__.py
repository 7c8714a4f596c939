"""What is made once and kept in the cache: binaries and Python environments."""
