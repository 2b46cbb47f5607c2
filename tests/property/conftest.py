"""Examples may take as long as a busy machine needs; a failure prints how to repeat it."""

from hypothesis import settings

settings.register_profile("zephyrus", deadline=None, print_blob=True)
settings.load_profile("zephyrus")
