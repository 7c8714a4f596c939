"""What sends the load, inside Locust's processes: settings, arrivals, shapes, people, exchanges."""
