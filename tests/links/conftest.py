from hypothesis import settings

# The first call of a kernel compiles it: a deadline per example would time the compiler.
settings.register_profile("kernels", deadline=None)
settings.load_profile("kernels")
