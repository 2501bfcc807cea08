"""What callers of the feed may catch."""


class FeedError(Exception):
    """Base of everything the feed raises on purpose."""


class TransactionRequired(FeedError):
    """A change was recorded, or an actor named, outside a transaction."""


class BadSignature(FeedError):
    """A message's signature, id or timestamp does not hold; the text says which."""


class BadCursor(FeedError):
    """A pull cursor is not one we issued to this consumer."""


class CursorExpired(FeedError):
    """A pull cursor points at windows that retention has removed; start again without one."""


class NotParked(FeedError):
    """Only a parked lane can be resumed or skipped."""


class ReasonMissing(FeedError):
    """What others will ask about was to be done without saying why."""


class KeyNameTaken(FeedError):
    """An API key of this name exists already."""


class UnknownScope(FeedError):
    """A scope that no part of the API asks for."""


class AddressRefused(FeedError):
    """An endpoint's address leads into a network it may not reach."""


class DifferentMessage(FeedError):
    """A message came under an id that its source used before, with another content."""


class UnknownSubject(FeedError):
    """A message is about a kind of subject that nobody here takes changes of."""


class BadSelection(FeedError):
    """A replay was asked for with half a subject, or for a range that ends before it begins."""
