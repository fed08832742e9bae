"""Conversations in a MongoDB that FolkForm fills: read where they are, never copied, never written to.

The only home of pymongo, which costs 0.2 s and 35 MiB: import from here when a MongoDB is configured.
"""
