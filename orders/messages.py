"""Text messages to phones: through apprise, or into a file where no service is configured."""

import apprise
from django.conf import settings
from django.utils import timezone


def send_text_message(phone: str, text: str) -> None:
    """Send to an E.164 number through every configured service.

    Without one, outside production, the text is appended to SMS_OUTBOX for the developer to read.
    Raises RuntimeError when no service took it.
    """
    if settings.SMS_URLS:
        sender = apprise.Apprise()
        for url in settings.SMS_URLS:
            sender.add(url.replace("{phone}", phone))
        if not sender.notify(body=text):
            raise RuntimeError("no SMS service took the message")
        return
    if settings.SMS_OUTBOX is not None:
        settings.SMS_OUTBOX.parent.mkdir(parents=True, exist_ok=True)
        with settings.SMS_OUTBOX.open("a", encoding="utf-8") as outbox:
            outbox.write(f"{timezone.now():%Y-%m-%d %H:%M:%S}\t{phone}\t{text}\n")
