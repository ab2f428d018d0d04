"""Settings of all tests."""

import os

from hypothesis import settings

# Developers look for new examples with every run; the gate must say the same of the same commit.
settings.register_profile("gate", derandomize=True, deadline=None)
settings.register_profile("search", deadline=None)
settings.load_profile("gate" if os.environ.get("CI") else "search")
