"""The workflows of the product: one business process a file, its machine and its steps."""
