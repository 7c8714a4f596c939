"""Makes a load that repeats a past window from its log records, and holds both side by side."""
