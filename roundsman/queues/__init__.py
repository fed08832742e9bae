"""Queues: one port, an adapter for each place where messages can lie."""
