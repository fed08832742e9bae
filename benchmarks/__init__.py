"""Figures of this program on this machine; `make bench` writes them to `benchmarks/results.json`."""
