"""Ours and its peers, measured side by side in one run; `make bench-peers` writes `benchmarks/peers.json`.

Each peer is a small program that runs in an environment of its own (`python/` and `node/`), talks JSON lines with the
harness, and proves each execution by a line in a log. Repetitions are interleaved (ours, peer A, peer B, ours, ...)
and a ratio is taken within a repetition, so that a noisy machine disturbs both sides of it alike.
"""
