"""What takes a bundle: the tree on disk, a stream, findings. A sink never changes an object."""
