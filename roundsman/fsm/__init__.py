"""What a workflow is: its machine, its steps, what a step may say. Pure: nothing here is stored or run."""
