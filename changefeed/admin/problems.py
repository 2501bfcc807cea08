"""What we wrote down of failed requests, in the reader's language; what others answered stays."""

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

# How our own accounts begin: see changefeed.dispatch.sending and draining. The first that fits.
_ACCOUNTS = (
    ("timed out", gettext_lazy("no whole answer in time")),
    ("address refused", gettext_lazy("this address may not be reached")),
    ("no signing secret", gettext_lazy("it has no readable signing secret")),
    ("sending failed here", gettext_lazy("sending failed on our side; the log says why")),
    ("unreadable answer", gettext_lazy("the answer could not be read")),
    ("ClientConnectorDNSError", gettext_lazy("the name of the host is not known")),
    ("ClientConnectorCertificateError", gettext_lazy("its certificate is not trusted")),
    ("ClientConnectorSSLError", gettext_lazy("no secure connection could be made")),
    ("ClientConnector", gettext_lazy("no connection could be made")),
    ("ServerDisconnectedError", gettext_lazy("it closed the connection without an answer")),
    ("ClientOSError", gettext_lazy("the connection was cut")),
    ("ConnectionResetError", gettext_lazy("the connection was cut")),
    ("ClientPayloadError", gettext_lazy("the connection was cut in the middle of the answer")),
    ("ServerTimeoutError", gettext_lazy("no whole answer in time")),
    ("ConnectionTimeoutError", gettext_lazy("no connection in time")),
    ("TooManyRedirects", gettext_lazy("the answer could not be read")),
    ("ClientResponseError", gettext_lazy("the answer could not be read")),
)
_SAYS_IT_ALL = ("timed out", "no signing secret", "sending failed here")


def problem_words(text: str) -> str:
    """Our account of a failure in words, with the technical text behind it; else the text."""
    for beginning, words in _ACCOUNTS:
        if text.startswith(beginning):
            if text.startswith(_SAYS_IT_ALL):
                return str(words)
            return _("%(words)s (%(detail)s)") % {"words": words, "detail": text}
    return text
