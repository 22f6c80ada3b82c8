"""Load for an alignment: programs that hold a machine at a level between 0 and 1, and end with whoever started them."""
