"""Load tests: a generator (Locust), what it leaves, and the report of it."""
