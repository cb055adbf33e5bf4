"""Mutation testing of the pure rooms: `python -m tests.mutation`. See report.py for what is checked in."""
