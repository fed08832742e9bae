"""`roundsman runs`: submit, status, wait, list, logs, cancel, pause, resume, signal, retry, why, diagram, workflows.

And the group `events`.
"""

from roundsman.cli import run_events
from roundsman.cli.group import command_group
from roundsman.cli.run_decisions import cancel, pause, resume, retry, signal
from roundsman.cli.run_list import diagram, list_runs, workflows
from roundsman.cli.run_logs import logs
from roundsman.cli.run_status import status, tell_why
from roundsman.cli.run_submit import submit
from roundsman.cli.run_wait import wait

app = command_group()

app.command()(submit)
app.command()(status)
app.command()(wait)
app.command("list")(list_runs)
app.command()(logs)
app.command("why")(tell_why)
app.command()(cancel)
app.command()(pause)
app.command()(resume)
app.command()(signal)
app.command()(retry)
app.command()(workflows)
app.command()(diagram)
app.add_typer(run_events.app, name="events", help="What other programs have not been told of; tell them once more.")
