"""From a condition to a delivered message: the book opens and resolves alerts, the sender delivers them."""
