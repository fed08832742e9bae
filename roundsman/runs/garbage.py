"""Python's garbage collector, told what is usual where runs are driven; for the whole process, as it has but one.

A commit makes some thousand objects at once, which live until the next one and are in no cycle. By default 700 are
taken for a reason to look for cycles, in the end among all objects of the process: a quarter of the time of runs.
"""

import gc

NEW_OBJECTS = 5_000
"""About a megabyte, and what the largest commits make."""


def look_for_cycles_less_often() -> None:
    """Only after so many new objects."""
    usual, *older = gc.get_threshold()
    if 0 < usual < NEW_OBJECTS:  # 0: somebody has switched it off
        gc.set_threshold(NEW_OBJECTS, *older)
