"""What can be counted twice: metrics, records, clocks and data sources beside each other."""
