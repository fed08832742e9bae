"""`roundsman alerts`: list, why, route, ack, claim, snooze, resolve, silence, inbox, read, test."""

from roundsman.cli.alert_answer import acknowledge, claim, resolve, snooze
from roundsman.cli.alert_channel import test_channel
from roundsman.cli.alert_inbox import mark_read, show_inbox
from roundsman.cli.alert_list import list_alerts
from roundsman.cli.alert_route import show_route
from roundsman.cli.alert_silence import app as silence_group
from roundsman.cli.alert_why import tell_why
from roundsman.cli.group import command_group

app = command_group()

app.command("list")(list_alerts)
app.command("why")(tell_why)
app.command("route")(show_route)
app.command("ack")(acknowledge)
app.command()(claim)
app.command()(snooze)
app.command()(resolve)
app.add_typer(silence_group, name="silence", help="Hold what is told of some alerts for a while.")
app.command("inbox")(show_inbox)
app.command("read")(mark_read)
app.command("test")(test_channel)
