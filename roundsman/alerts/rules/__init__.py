"""What people decided about alerts beforehand: routes, inhibitions, matchers. Plain values, without a store."""
