"""What an example lives through: `pulumi up` on a control plane of its own host files, the proofs, the end, and again."""
