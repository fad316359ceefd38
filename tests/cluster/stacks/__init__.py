"""Pulumi stacks that come one after the other on one control plane of examples/minimal, and leave nothing on it."""
