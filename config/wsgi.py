"""The WSGI entry point that the web server loads."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

application = get_wsgi_application()

from changefeed import collecting  # noqa: E402  (needs the apps that have just been loaded)
from rules import live  # noqa: E402

live.keep_fresh()
collecting.settle()
