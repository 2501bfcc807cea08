"""The demo takes an empty database or its own, and leaves everybody else's alone."""

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection

from config.demo import database, loading
from config.demo.story import scarce_skus
from orders.models import Customer, ReturnRecord, Sku, Stock, StockEntry
from rules.models import ListEntry, RuleSet

pytestmark = pytest.mark.django_db


def mark() -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE {database.MARKER} (made_at timestamptz)")


def test_freshly_migrated_database_may_be_used() -> None:
    assert database._is_untouched()
    assert not database.is_demo()


def test_marked_database_is_the_demos_own() -> None:
    mark()
    assert database.is_demo()


def test_database_with_somebodys_work_is_refused_and_kept() -> None:
    User.objects.create_user("lin")
    tables = connection.introspection.table_names()
    with pytest.raises(database.NotOurs, match="DATABASE_URL"):
        database.make_ready()
    assert connection.introspection.table_names() == tables
    assert User.objects.get().username == "lin"


def test_database_of_another_program_is_refused() -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE orders_order RENAME TO invoices")
    with pytest.raises(database.NotOurs):
        database.make_ready()


@pytest.mark.slow
def test_everything_is_loaded_that_the_orders_need() -> None:
    made = loading.make_connections("http://127.0.0.1:9")
    loading.load_reference_data()
    loading.make_people()

    assert made["secrets"].keys() == {"wms", "erp", "crm"}
    assert RuleSet.objects.get().state == "live"
    assert ListEntry.objects.filter(list__key="blocklist").count() >= 20
    assert Customer.objects.filter(is_employee=True).exists()
    assert ReturnRecord.objects.count() > 1_000
    assert StockEntry.objects.count() == Stock.objects.filter(on_hand__gt=0).count()
    for code in scarce_skus():
        assert Stock.objects.filter(sku=Sku.objects.get(code=code)).count() == 1


def test_people_have_the_rights_of_their_group() -> None:
    for name in loading.STAFF:
        Group.objects.get_or_create(name=name)
    loading.make_people()
    for name in loading.STAFF:
        user = User.objects.get(username=name)
        assert (user.is_staff, user.is_superuser) == (True, False)
        assert [group.name for group in user.groups.all()] == [name]
        assert user.check_password(loading.PASSWORD)
    assert User.objects.get(username=loading.ADMIN).is_superuser
