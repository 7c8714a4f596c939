"""The day that the boards' pictures show, with one incident in it: made, stored and drawn."""
