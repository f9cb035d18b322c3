"""How a teacher's requests travel: connections, endpoints, refusals and replies."""
