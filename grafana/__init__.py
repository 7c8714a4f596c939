"""Grafana's provisioning, settings and boards."""
