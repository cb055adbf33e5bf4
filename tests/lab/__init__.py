"""A real KVM cluster on one machine, with nothing that is not in Debian or on PyPI. For tests and for people."""
