"""Policies: for which conversations how much waiting is allowed, by whose hours, and who is told when it is more."""
