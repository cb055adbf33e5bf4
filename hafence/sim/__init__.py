"""A simulated world on which the real stories run: every fault, crash and interleaving can be replayed on a desk."""
