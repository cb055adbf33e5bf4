"""Would the search notice? `python -m tests.sensitivity`: every fail-open mutant is given to it alone."""
