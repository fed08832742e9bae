"""Signed posts to a URL that somebody named in the settings: where they may lead, and how they are signed.

The webhook of run events and that of alerts are made of it. Imported by those alone.
"""
