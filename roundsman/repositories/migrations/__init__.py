"""How older stores come to the tables of today. A released migration is never edited.

A new one is written with `python -m roundsman.repositories.migrations "what it changes"`, read, corrected, and its
number set as `HEAD` in `roundsman/repositories/schema.py`.
"""
