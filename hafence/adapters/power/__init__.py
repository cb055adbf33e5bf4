"""Power fences: the agents of ClusterLabs' fence-agents, and their passwords."""
