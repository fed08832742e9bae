"""Jobs on a schedule: what a job is, when it is due, who runs it, and the ledger of every tick."""
