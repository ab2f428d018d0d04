"""What an engine cannot do, for want of memory, disk or a part of its own; whoever runs it knows what helps."""


class EngineError(Exception):
    """Base of what an engine complains of; the text is the engine's own first line."""


class EngineMemoryError(EngineError):
    """The memory that the engine was given is too small."""


class EngineDiskError(EngineError):
    """A file cannot be read or written: full disk, damaged table."""


class EngineMissingError(EngineError):
    """A program or package that the engine needs is not there.

    Attributes:
        remedy: what the user can do.
    """

    def __init__(self, complaint: str, remedy: str) -> None:
        super().__init__(complaint)
        self.remedy = remedy


class EngineFailedError(EngineError):
    """A step failed inside the engine, where its own exception cannot be passed on."""
