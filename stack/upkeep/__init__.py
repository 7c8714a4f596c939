"""What an operator does to what is kept: keys, backup and restore, the end of old state."""
