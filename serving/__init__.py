"""Fanwise as a server, for clients of other makes."""
