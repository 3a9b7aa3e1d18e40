"""zooter_ray: reward-guided routing of queries to the best of several LLMs, on Ray."""
