"""Tests that share one control plane of examples/zero-trust: it is up while they run, and they run in one process."""
