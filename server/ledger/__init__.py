"""The device bill: what each nanosecond was for, and the calendar that budgets are held against."""
