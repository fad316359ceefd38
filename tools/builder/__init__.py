"""What `tools/build.py` is made of: which programs, which of them fit on PATH, the cache, and Go."""
