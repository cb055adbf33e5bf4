"""The admin node itself: programs, hooks, secrets and protected files on it."""
