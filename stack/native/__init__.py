"""The parts as plain processes under supervisord."""
