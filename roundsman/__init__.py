"""Roundsman: the machinery of the daemon. The product that runs on it lives in `jobs/`."""

__version__ = "0.1.0"
