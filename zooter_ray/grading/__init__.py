"""Grades a model's response against a reference answer: rewards by reference, and public benchmarks.

A row's reference is a small JSON object (`parse_reference`); `grade` turns a response into 1.0 or 0.0.
Generated code is only ever run in a sandbox (`SandboxLimits` bounds it).
"""

from zooter_ray.grading.checkers import grade
from zooter_ray.grading.references import Reference, dump_reference, parse_reference
from zooter_ray.grading.sandbox import SandboxLimits

__all__ = ["Reference", "SandboxLimits", "dump_reference", "grade", "parse_reference"]
