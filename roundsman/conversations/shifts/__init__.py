"""When people work: the hours of a week, holidays, and the days that are different. Pure; times are handed in."""
