"""Specialists that are graphs on other deployments."""
