"""Who may do what in the admin: role × model × verb, and forged requests past the forms."""

from collections.abc import Iterator

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, Permission
from django.db.models import Model
from django.test import Client
from django.urls import reverse

from config.roles import ROLES, grant
from orders import models
from orders.actors import Actor
from orders.lifecycle.dispatching import dispatch_order
from orders.models import Hold, Order, SettlementPrice, Shipment, Stock
from tests.orders.desk import clean_order, held_order, person

pytestmark = pytest.mark.django_db
GROUPS = ("supervisor", "operations", "agent", "warehouse")
EVERYONE = frozenset(GROUPS)
NOBODY: frozenset[str] = frozenset()
OPERATIONS = frozenset({"operations"})
OFFICE = EVERYONE - {"warehouse"}

MATRIX = {
    # model: who views, adds, changes, deletes
    models.Hold: (EVERYONE, NOBODY, NOBODY, NOBODY),
    models.Order: (EVERYONE, NOBODY, NOBODY, NOBODY),
    models.Shipment: (EVERYONE, NOBODY, NOBODY, NOBODY),
    models.Stock: (EVERYONE, NOBODY, NOBODY, NOBODY),
    models.Customer: (OFFICE, NOBODY, frozenset({"supervisor"}), NOBODY),
    models.ScreeningDecision: (OFFICE, NOBODY, NOBODY, NOBODY),
    models.Sku: (EVERYONE, OPERATIONS, OPERATIONS, NOBODY),
    models.Channel: (OFFICE, OPERATIONS, OPERATIONS, NOBODY),
    models.Warehouse: (EVERYONE, OPERATIONS, OPERATIONS, NOBODY),
    models.Courier: (EVERYONE, OPERATIONS, OPERATIONS, NOBODY),
    models.Packaging: (EVERYONE, OPERATIONS, OPERATIONS, NOBODY),
    models.ChannelCoupon: (OFFICE, OPERATIONS, OPERATIONS, OPERATIONS),
}

HOLD_ACTS = {
    "claim": {"supervisor"},
    "unclaim": {"supervisor"},
    "release": {"supervisor"},
    "uphold": {"supervisor"},
    "hold_again": {"supervisor", "agent"},
    "note": EVERYONE,
    "reveal": {"supervisor", "agent"},
}
ORDER_ACTS = {
    "hold_order": {"supervisor", "agent"},
    "recall": {"supervisor", "agent"},
    "cancel": {"supervisor", "agent"},
    "edit": OFFICE,
    "dispatch_now": {"supervisor", "operations"},
    "slots": {"supervisor", "operations"},
    "split": {"supervisor", "operations"},
    "merge": {"supervisor", "operations"},
    "note": EVERYONE,
    "reveal": {"supervisor", "agent"},
}


def clients() -> dict[str, Client]:
    return {group: person(group)[1] for group in GROUPS}


def rows() -> Iterator[tuple[type[Model], int]]:
    """One existing row of every model of the matrix."""
    held_order()
    order = clean_order()
    dispatch_order(order.pk, actor=Actor("system"))
    models.ChannelCoupon.objects.create(channel=order.channel, code="LIVE-50")
    for model in MATRIX:
        yield model, model._default_manager.earliest("pk").pk


def test_matrix_covers_every_model_that_orders_registers():
    registered = {model for model in admin.site._registry if model._meta.app_label == "orders"}

    assert registered == set(MATRIX)


def test_each_role_has_exactly_the_verbs_of_the_matrix(world):
    existing = dict(rows())
    for group, client in clients().items():
        for model, (views, adds, changes, deletes) in MATRIX.items():
            name, key = f"admin:orders_{model._meta.model_name}", existing[model]
            answers = {
                "list": client.get(reverse(f"{name}_changelist")).status_code == 200,
                "page": client.get(reverse(f"{name}_change", args=(key,))).status_code == 200,
                "add": client.get(reverse(f"{name}_add")).status_code == 200,
                "delete": client.get(reverse(f"{name}_delete", args=(key,))).status_code == 200,
            }
            assert answers == {
                "list": group in views,
                "page": group in views,
                "add": group in adds,
                "delete": group in deletes,
            }, (group, model)
            assert group not in changes or group in views


def test_forged_saves_change_nothing_that_a_role_may_not_change(world):
    existing = dict(rows())
    for group, client in clients().items():
        for model, (_views, _adds, changes, _deletes) in MATRIX.items():
            if group in changes:
                continue
            row = model._default_manager.filter(pk=existing[model])
            before = row.values().get()
            url = reverse(f"admin:orders_{model._meta.model_name}_change", args=(existing[model],))
            forged = dict.fromkeys(before, "1") | {
                "state": "released",
                "name": "forged",
                "_save": "1",
            }
            client.post(url, forged)
            client.post(
                reverse(f"admin:orders_{model._meta.model_name}_delete", args=(existing[model],)),
                {"post": "yes"},
            )
            assert row.values().get() == before, (group, model)


def test_forged_additions_add_nothing(world):
    existing = dict(rows())
    assert existing
    for group, client in clients().items():
        for model, (_views, adds, _changes, _deletes) in MATRIX.items():
            if group in adds:
                continue
            count = model._default_manager.count()
            url = reverse(f"admin:orders_{model._meta.model_name}_add")
            client.post(
                url, {"code": "FORGED", "name": "forged", "is_active": "on", "priority": "1"}
            )
            assert model._default_manager.count() == count, (group, model)


def test_forged_list_edits_and_actions_do_nothing(world):
    existing = dict(rows())
    for group, client in clients().items():
        for model, key in existing.items():
            row = model._default_manager.filter(pk=key)
            before, count = row.values().get(), model._default_manager.count()
            url = reverse(f"admin:orders_{model._meta.model_name}_changelist")
            client.post(
                url,
                {
                    "form-TOTAL_FORMS": "1",
                    "form-INITIAL_FORMS": "1",
                    "form-0-id": str(key),
                    "form-0-state": "released",
                    "form-0-name": "forged",
                    "_save": "1",
                },
            )
            client.post(
                url, {"action": "delete_selected", "_selected_action": [key], "post": "yes"}
            )
            assert row.values().get() == before, (group, model)
            assert model._default_manager.count() == count, (group, model)


def test_extra_rows_below_a_page_are_refused(world):
    """A stock ledger line and a parcel line cannot be smuggled in as formset rows."""
    existing = dict(rows())
    stock, shipment = Stock.objects.earliest("pk"), Shipment.objects.earliest("pk")
    extra = {"TOTAL_FORMS": "1", "INITIAL_FORMS": "0", "MIN_NUM_FORMS": "0", "MAX_NUM_FORMS": "9"}
    for client in clients().values():
        entries = {f"entries-{name}": value for name, value in extra.items()}
        client.post(
            reverse("admin:orders_stock_change", args=(stock.pk,)),
            {**entries, "entries-0-move": "receive", "entries-0-on_hand_delta": "99"},
        )
        lines = {f"lines-{name}": value for name, value in extra.items()}
        client.post(
            reverse("admin:orders_shipment_change", args=(shipment.pk,)),
            {**lines, "lines-0-quantity": "99", "lines-0-order_line": "1"},
        )
    assert existing
    assert not stock.entries.filter(on_hand_delta=99).exists()
    assert not shipment.lines.filter(quantity=99).exists()


def test_settlement_prices_are_for_operations_alone(world):
    channel, sku = models.Channel.objects.get(code="app"), models.Sku.objects.get(code="TEA-1")
    data = {
        "name": "app",
        "is_active": "on",
        "settlement_prices-TOTAL_FORMS": "1",
        "settlement_prices-INITIAL_FORMS": "0",
        "settlement_prices-0-sku": sku.pk,
        "settlement_prices-0-price": "88.00",
        "coupons-TOTAL_FORMS": "0",
        "coupons-INITIAL_FORMS": "0",
    }
    url = reverse("admin:orders_channel_change", args=(channel.pk,))
    for group in ("agent", "supervisor", "warehouse"):
        person(group)[1].post(url, data)
        assert not SettlementPrice.objects.exists(), group

    person("operations")[1].post(url, data)

    assert str(SettlementPrice.objects.get().price) == "88.00"


def test_only_those_named_may_act_on_holds(world):
    held, done = held_order(), held_order()
    released = person("supervisor")[1].post(
        reverse("admin:orders_hold_release", args=(done.pk,)), {"reason": "fine"}
    )
    assert released.status_code == 302
    for group, client in clients().items():
        for name, allowed in HOLD_ACTS.items():
            if group in allowed:
                continue
            for hold in (held, done):
                before = Hold.objects.filter(pk=hold.pk).values().get()
                response = client.post(
                    reverse(f"admin:orders_hold_{name}", args=(hold.pk,)),
                    {"reason": "forged", "follow_up": "cancel"},
                )
                assert response.status_code == 403, (group, name)
                assert Hold.objects.filter(pk=hold.pk).values().get() == before
        if group != "supervisor":
            many = client.post(
                reverse("admin:orders_hold_release_many"), {"hold": held.pk, "reason": "forged"}
            )
            assert many.status_code == 403, group
    held.refresh_from_db()
    assert held.state == "open"


def test_only_those_named_may_act_on_orders(world):
    order = clean_order()
    before = Order.objects.filter(pk=order.pk).values().get()
    for group, client in clients().items():
        for name, allowed in ORDER_ACTS.items():
            url = reverse(f"admin:orders_order_{name}", args=(order.pk,))
            if group in allowed:
                if name not in ("note", "reveal"):
                    assert client.get(url).status_code == 200, (group, name)
                continue
            assert client.post(url, {"reason": "forged"}).status_code == 403, (group, name)
            if name not in ("note", "reveal"):
                assert client.get(url).status_code == 403, (group, name)
    assert Order.objects.filter(pk=order.pk).values().get() == before


def test_reading_needs_a_login_and_staff(world, client):
    hold = held_order()
    for name, args in (
        ("admin:orders_hold_changelist", ()),
        ("admin:orders_hold_poll", ()),
        ("admin:orders_hold_change", (hold.pk,)),
        ("admin:orders_order_changelist", ()),
    ):
        response = client.get(reverse(name, args=args))
        assert response.status_code == 302
        assert response.headers["Location"].startswith("/admin/login/")


def test_staff_without_a_group_see_nothing(world):
    from tests.factories import make_user

    held_order()
    client = Client()
    client.force_login(make_user())
    for model in MATRIX:
        url = reverse(f"admin:orders_{model._meta.model_name}_changelist")
        assert client.get(url).status_code == 403, model


def test_granting_again_repairs_what_somebody_changed():
    for app in ("orders", "rules", "returns", "changefeed"):
        grant(app)
    agent = Group.objects.get(name="agent")
    before = set(agent.permissions.values_list("codename", flat=True))
    agent.permissions.add(Permission.objects.get(codename="decide_hold"))
    agent.permissions.remove(Permission.objects.get(codename="edit_order"))

    grant("orders")

    assert set(agent.permissions.values_list("codename", flat=True)) == before
    assert set(ROLES) == set(GROUPS)
