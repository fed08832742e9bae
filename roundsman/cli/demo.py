"""`roundsman demo`: the whole flow in a few seconds, on a store that is thrown away.

It uses the real parts and the real monitor job; only the three customers are invented.
"""

import io
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import typer

from roundsman import logs
from roundsman.app.composition import App
from roundsman.app.foreground import run_in_foreground
from roundsman.app.settings import read_settings
from roundsman.cli.group import command_group
from roundsman.cli.output import say
from roundsman.cli.session import Session

app = command_group()

_PAGE = "1083412906251"
_MONITOR = "conversation_monitor"


@app.command()
def demo(ctx: typer.Context) -> None:
    """Show an import, a round of the monitor, an alert, an answer and the end of the alert."""
    session: Session = ctx.obj
    with _throw_away(session) as demo_app:
        now = session.clock.now()
        say("Three customers write to a flower shop. One is answered by a colleague, one only by a bot, one by nobody.")
        say()
        _import(demo_app, _first_export(now))
        say("The monitor makes its round:")
        _round(demo_app)
        say()
        say("Told once is enough: it makes another round, and says nothing new.")
        _round(demo_app)
        say()
        say("Now Lan answers Minh.")
        _import(demo_app, {"fb_message_items": [_message("minh", 9, now, "page", "Lan")]})
        say("The monitor makes its round:")
        _round(demo_app)
        say()
        say("That is the flow. `roundsman run` does it by schedule; `roundsman conversations list` shows who waits.")


@contextmanager
def _throw_away(session: Session) -> Iterator[App]:
    with tempfile.TemporaryDirectory(prefix="roundsman-demo-") as folder:
        settings = read_settings({"ROUNDSMAN_STATE_DIR": folder}, Path(folder))
        logs.setup("info", settings.secrets())
        demo_app = App(settings, session.jobs, session.workflows, session.clock)
        try:
            yield demo_app
        finally:
            demo_app.close()


def _round(demo_app: App) -> None:
    record = run_in_foreground(demo_app, demo_app.registry[_MONITOR])
    counters = ", ".join(f"{value} {name}" for name, value in record.counters.items())
    say(f"  {record.outcome}: {counters}")


def _import(demo_app: App, export: dict[str, Any]) -> None:
    demo_app.conversations.importer.import_stream(io.StringIO(json.dumps(export)), "the demo's export")


def _first_export(now: datetime) -> dict[str, Any]:
    customers = {"minh": "Trần Minh", "hoa": "Nguyễn Thị Hoa", "an": "Lê An"}
    return {
        "fb_pages": [{"pageId": _PAGE, "pageName": "Tiệm Hoa Mộc Miên", "pageUsername": "tiemhoa", "isSync": True}],
        "fb_conversations": [
            {
                "conversationId": f"{_PAGE}_{key}",
                "pageId": _PAGE,
                "panCakeData": {"type": "INBOX", "from": {"name": name}},
            }
            for key, name in customers.items()
        ],
        "fb_message_items": [
            _message("minh", 42, now, "customer", "Trần Minh"),
            _message("hoa", 31, now, "customer", "Nguyễn Thị Hoa"),
            _message("hoa", 30, now, "bot", None),
            _message("an", 25, now, "customer", "Lê An"),
            _message("an", 22, now, "page", "Lan"),
        ],
    }


def _message(customer: str, minutes_ago: int, now: datetime, sender: str, name: str | None) -> dict[str, Any]:
    sent_at = now - timedelta(minutes=minutes_ago)
    origin: dict[str, Any] = {"id": _PAGE, "uid": "staff-1", "admin_name": name}
    if sender == "customer":
        origin = {"id": customer, "name": name}
    elif sender == "bot":
        origin = {"id": _PAGE, "is_automated": True}
    return {
        "conversationId": f"{_PAGE}_{customer}",
        "messageId": f"m-{customer}-{minutes_ago}",
        "messageData": {"inserted_at": sent_at.strftime("%Y-%m-%dT%H:%M:%S.%f"), "from": origin, "message": "..."},
    }
