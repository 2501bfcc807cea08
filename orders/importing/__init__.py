"""Bringing order files in: reading them as a stream, remembering how far, writing what failed."""
