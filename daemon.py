"""Entry point: hands the product's jobs and workflows to the machinery's command line. `roundsman` and
`python daemon.py` are the same program."""

from jobs import JOBS
from roundsman.cli import main as command_line
from roundsman.workflows import WORKFLOWS


def main() -> None:
    """The `roundsman` command."""
    command_line(JOBS, workflows=WORKFLOWS)


if __name__ == "__main__":
    main()
