"""What `pulumi preview --json` would take away → findings. Pure but for reading the file.

A plan that deletes, replaces or disarms what guards a cluster is refused until somebody names what may go. What the
plan does not tell is never taken for harmless: an operation nobody knows, or a preview that failed, is an error.
"""

from ringfence.plans.judging import read_plan

__all__ = ["read_plan"]
