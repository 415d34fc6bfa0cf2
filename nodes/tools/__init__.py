"""Tools that agents are given, each within its borders."""
