"""The tables of alerts: what is wrong, the messages about it, what became of each, and which channels are off.

A message may tell of many alerts (a digest), so being told is a row of its own between the two: `notification_alerts`.
Its unique constraint is the promise that nobody is told the same news twice.
"""

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, Table, Text, UniqueConstraint, text

from roundsman.repositories.columns import BigId, Json, UtcTime, metadata, numbered, partial

alerts = Table(
    "alerts",
    metadata,
    numbered(),
    Column("fingerprint", Text, nullable=False),  # kind and subject: what the alert is about
    Column("kind", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("status", Text, nullable=False),  # firing | acknowledged | snoozed | resolved
    Column("level", Integer, nullable=False, server_default=text("1")),  # 0: a warning; grows while it is open
    Column("job", Text),  # which job raised it
    Column("labels", Json, nullable=False),
    Column("annotations", Json, nullable=False),  # the facts that templates read
    Column("since_at", UtcTime, nullable=False),  # when the condition began
    Column("opened_at", UtcTime, nullable=False),
    Column("facts_at", UtcTime),  # when the annotations were last written; null: at the opening
    Column("taken_by", Text),  # who acknowledged or snoozed it
    Column("taken_until", UtcTime),  # of a snooze: from then on it is firing again
    Column("taken_at", UtcTime),
    Column("rise_at", UtcTime),  # when it rises by its route, unless somebody has taken it
    Column("rise_to", Integer),  # the level that it reaches then; null: nobody is left, which the journal is told
    Column("resolved_at", UtcTime),
    Column("resolution", Text),
    # One open alert per fingerprint: two daemons, or one that was killed and came back, cannot open it twice
    partial(
        "uq_alerts_open",
        "fingerprint",
        unique=True,
        where="status <> 'resolved'",
    ),
    partial("ix_alerts_open_kind", "kind", where="status <> 'resolved'"),  # which alerts mute others
    partial("ix_alerts_rise_at", "rise_at", where="status <> 'resolved' AND rise_at IS NOT NULL"),
    Index("ix_alerts_opened_at", "opened_at"),
)

notifications = Table(
    "notifications",
    metadata,
    numbered(),
    # The only alert that it tells of; of a digest the one that is open for longest
    Column("alert_id", BigId, ForeignKey("alerts.id", ondelete="CASCADE"), nullable=False),
    Column("channel", Text, nullable=False),
    Column("event", Text, nullable=False),  # warning | firing | changed | resolved
    Column("level", Integer, nullable=False, server_default=text("1")),
    Column("rank", Integer, nullable=False, server_default=text("0")),  # the lower, the sooner it is sent
    Column("audience", Json),  # team and mentions
    Column("is_digest", Boolean, nullable=False, server_default=text("false")),  # was made to tell of many
    Column("edits", BigInteger),  # of a changed or resolved one: the message that it changes, or answers if none can be
    Column("edit_after", UtcTime),  # of a digest: not to be changed again before
    Column("status", Text, nullable=False),  # held | pending | sending | sent | failed | cancelled
    Column("held_by", Text),  # of a held one: silence | inhibition | quiet_hours | snooze | repeat
    Column("held_ref", BigInteger),  # the silence, or the alert that mutes it
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    # A process died while it was sending this, and nobody knows how far it came
    Column("maybe_sent", Boolean, nullable=False, server_default=text("false")),
    Column("not_before", UtcTime, nullable=False),  # of a held one: when to look again
    Column("owner", Text),
    Column("lease_until", UtcTime),
    Column("created_at", UtcTime, nullable=False),
    Column("finished_at", UtcTime),
    Column("receipt", Json),  # what the channel needs to edit the message later
    Column("error", Text),
    partial(
        "ix_notifications_open",
        "channel",
        "rank",
        "id",
        where="status IN ('pending', 'sending')",
    ),
    # One change of a message waits at most: it will tell whatever has become true until it leaves
    partial(
        "uq_notifications_edits",
        "edits",
        unique=True,
        where="status = 'pending' AND edits IS NOT NULL",
    ),
    partial("ix_notifications_held", "not_before", where="status = 'held'"),
    partial("ix_notifications_held_ref", "held_ref", where="status = 'held' AND held_ref IS NOT NULL"),
    Index("ix_notifications_alert_id", "alert_id"),
)

notification_alerts = Table(
    "notification_alerts",
    metadata,
    Column("notification_id", BigId, ForeignKey("notifications.id", ondelete="CASCADE"), primary_key=True),
    Column("alert_id", BigId, ForeignKey("alerts.id", ondelete="CASCADE"), primary_key=True),
    Column("channel", Text, nullable=False),
    Column("event", Text, nullable=False),
    Column("level", Integer, nullable=False),
    # Those who are told later than others, and whoever is told again, get a message of their own about the same news
    Column("copy", Integer, nullable=False, server_default=text("0")),
    Column("left_out", Boolean, nullable=False, server_default=text("false")),  # over before the digest was sent
    UniqueConstraint("alert_id", "channel", "event", "level", "copy"),
)

alert_log = Table(
    "alert_log",
    metadata,
    numbered(),
    Column("alert_id", BigId, ForeignKey("alerts.id", ondelete="CASCADE"), nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("event", Text, nullable=False),  # opened | warned | escalated | resolved | told | cancelled | gave_up | ...
    Column("level", Integer),
    Column("channel", Text),
    Column("detail", Json),
    Index("ix_alert_log_alert_id", "alert_id", "id"),
)

silences = Table(
    "silences",
    metadata,
    numbered(),
    Column("matchers", Json, nullable=False),  # texts, all of which have to mean an alert
    Column("author", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("starts_at", UtcTime, nullable=False),
    Column("ends_at", UtcTime, nullable=False),
    Column("ended_by", Text),  # who ended it before its time
    Index("ix_silences_ends_at", "ends_at"),
)

channels = Table(
    "channels",
    metadata,
    Column("channel", Text, primary_key=True),
    Column("identity", Text, nullable=False),  # digest of its settings: other settings switch it on again
    Column("off_since", UtcTime),
    Column("off_reason", Text),
)
