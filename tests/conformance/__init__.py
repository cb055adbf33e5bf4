"""The simulated world is held to the real one: the same case is told by the lab and by the simulation, and compared.

A case is a list of steps: things that happen to the world, each said twice (a fault of tests/lab, an event of
hafence/sim), and effects, each said once. The story that yields the effects is the same for both; here the real runner
performs them over SSH, there the simulation. What a workflow would read of the answers must be the same.

steps.py      what a case is made of, and the story it becomes
said.py       an answer, reduced to what workflows and rules read of it
worlds.py     the two worlds that tell a case, and the comparison
struck.py     a host that is struck by a fault, asked in every role that it can have
"""
