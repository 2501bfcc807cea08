"""Why a file as a whole cannot be imported."""


class UnreadableFile(Exception):
    """The file cannot be read at all; nothing of it was stored. The message says what to do."""


class BrokenFile(UnreadableFile):
    """The file could be read to some point and no further; what came before it is stored."""


class AlreadyRunning(UnreadableFile):
    """Another process is importing the same file for the same source."""
