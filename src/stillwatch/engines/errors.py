"""What an engine cannot do for want of memory or disk; whoever runs it knows what the user can do about that."""


class EngineError(Exception):
    """Base of what an engine complains of; the text is the engine's own first line."""


class EngineMemoryError(EngineError):
    """The memory that the engine was given is too small."""


class EngineDiskError(EngineError):
    """A file cannot be read or written: full disk, damaged table."""
