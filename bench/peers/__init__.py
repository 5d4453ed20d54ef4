"""What bench/peers.py is made of: the works, the programs that do them, and the table of ratios."""
