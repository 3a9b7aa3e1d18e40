"""Plan before you pay: tokens, FLOPs, bytes, GPU hours and wall time of a run, before any is spent.

cost.py         the equations and the efficiencies that they assume
models.py       parameters and KV cache from a model's shape
tables.py       gpus.yaml (data sheets) and models.yaml (shapes of the models that the configs name)
workload.py     how many queries and tokens
plan.py         a line, a plan, and the planner; stages.py: the lines of each stage
calibration.py  factors from measured times; measured.py reads them from a run directory
paper.py        what the paper reports
"""
