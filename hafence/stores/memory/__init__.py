"""The engine in memory: the contract under the simulated world."""
