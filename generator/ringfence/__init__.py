"""ringfence: hardened Kubernetes cluster bootstraps from a named profile."""

__version__ = "0.1.0"
