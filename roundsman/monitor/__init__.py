"""From the watch list to alerts: who is told what about waiting customers, why, and what another policy would tell."""
