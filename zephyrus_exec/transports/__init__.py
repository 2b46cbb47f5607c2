"""Channels to peers."""
