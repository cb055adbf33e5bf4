"""What touches the world: one module for each thing that hafence talks to. No decision is made in here."""
