"""The workflows: one business process a file, its machine and its steps, listed here and nowhere else.

To add a workflow, write its file and add it below (docs/workflows.md).
"""

from roundsman.fsm.workflow import Workflow
from roundsman.workflows.noop import Noop
from roundsman.workflows.three_steps import ThreeSteps

WORKFLOWS: tuple[type[Workflow], ...] = (Noop, ThreeSteps)
