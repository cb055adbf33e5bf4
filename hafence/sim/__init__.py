"""A simulated world on which the real workflows run: every fault, crash and interleaving can be replayed on a desk."""
