"""What touches the world: a room for each thing that hafence talks to. No decision is made in here."""
