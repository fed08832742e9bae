"""Runs: durable instances of workflows, driven through their steps."""
