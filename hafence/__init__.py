"""hafence: a VM never runs twice, and it comes back as fast as that allows."""

__version__ = "0.1.0"
