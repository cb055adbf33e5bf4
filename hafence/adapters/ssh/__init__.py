"""SSH: connections straight or through a sibling, each failure under its own name. The only fabric and paramiko."""
