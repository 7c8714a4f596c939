"""Alertmanager's configuration and its default receiver, alertlog."""
