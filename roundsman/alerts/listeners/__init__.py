"""Services that hear of pressed buttons without a port of our own: we ask, or hold a connection that we have opened."""
