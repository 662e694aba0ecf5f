"""Hypothesis without a deadline: the first example of a kernel's test may compile it."""

from hypothesis import settings

settings.register_profile("kernels", deadline=None)
settings.load_profile("kernels")
