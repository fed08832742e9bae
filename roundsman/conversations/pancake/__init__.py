"""Pancake as a live source: its REST API asked by the clock, and its webhooks read from files.

Polling is the truth: webhooks come twice, late or not at all, and nothing of them is repeated; so none moves a
watermark. Nothing here writes to Pancake. In particular `generate_page_access_token` is never called: it makes the
page's old token worthless for every other program that uses it.
"""
