"""Who waits for an answer and since when: reading exports, the sender rule, the waiting clocks, the verdicts."""
