"""`make drill`: makes a cause on the running stack and waits for its alerts at a receiver."""
