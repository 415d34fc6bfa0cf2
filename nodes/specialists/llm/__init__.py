"""Specialists that work with a chat model."""
