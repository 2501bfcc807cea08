"""The WSGI entry point that the web server loads."""

import gc
import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

application = get_wsgi_application()

from rules import live  # noqa: E402  (needs the apps that have just been loaded)

live.keep_fresh()

# What is loaded by now lives as long as the process: leave it out of every later collection.
gc.collect()
gc.freeze()
gc.set_threshold(20_000, 20, 50)
