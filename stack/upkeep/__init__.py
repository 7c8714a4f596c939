"""What an operator does to what is kept: keys, backup, restore, a month's bill, clean."""
