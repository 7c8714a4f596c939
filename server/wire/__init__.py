"""What crosses from the engine core to the API process, known to both."""
