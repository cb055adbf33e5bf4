"""The pure rooms: facts in, values out. Standard library only; no I/O, clock, randomness or logging."""
