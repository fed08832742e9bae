"""An eye on the jobs themselves: who fails, who hangs, what a downtime has cost, and who runs but does nothing.

The ledger says what became of every tick; the rules here say which of that people must hear of. They are pure, and one
service applies them: `overseer`.
"""
