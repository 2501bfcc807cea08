"""Tables and SKUs for the yardstick."""

# mypy: ignore-errors
# It is no app of the settings that mypy reads.

import django


def prepare() -> None:
    """Make the tables and the SKUs that the load names."""
    django.setup()
    from django.core.management import call_command

    from tests.bench.plain_drf.models import Sku

    call_command("migrate", run_syncdb=True, verbosity=0, interactive=False)
    Sku.objects.bulk_create(Sku(code=f"B-{number:03d}") for number in range(200))
