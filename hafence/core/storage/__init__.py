"""Storage fences as rules: what must be refused by the storage, and what counts as refused."""
