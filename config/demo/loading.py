"""Everything that must exist before the first order: catalogue, customers, lists, rules, people."""

from collections.abc import Mapping
from decimal import Decimal
from itertools import islice
from typing import Any

from django.contrib.auth.models import Group, User
from django.db import transaction

from changefeed.keys import create_key
from changefeed.lifecycle import add_endpoint
from changefeed.models import Endpoint
from config.demo import sample
from config.demo.sample_goods import Catalogue
from orders.actors import SYSTEM
from orders.models import (
    Channel,
    Courier,
    Customer,
    Packaging,
    ReturnRecord,
    SettlementPrice,
    Sku,
    Stock,
    StockEntry,
    Warehouse,
)
from orders.status import StockMove
from rules.lifecycle import NewEntry, add_list_entries
from rules.models import ReferenceList
from rules.starting import load_starter

PASSWORD = "single-gate-618"
STAFF = ("supervisor", "operations", "agent", "warehouse")
ADMIN = "admin"
SYSTEMS = ("wms", "erp", "crm")
# Who hears of what: the warehouse of everything, finance of orders and of what left the house,
# customer service of what a customer may ask about.
KINDS: Mapping[str, list[str]] = {
    "wms": [],
    "erp": ["order.*", "shipment.shipped", "shipment.delivered"],
    "crm": [
        *("order.received", "order.held", "order.shipped", "order.delivered", "order.cancelled"),
        *("order.effect_caused", "hold.*", "customer.*", "return.*"),
    ],
}


def load_reference_data() -> None:
    """Catalogue, stock, customers with their returns, lists, and the starter rules in force."""
    with transaction.atomic():
        SYSTEM.begin()
        _load_catalogue(sample.load_catalogue())
        _load_customers()
    load_starter(SYSTEM.name)
    for key, entries in sample.load_lists().items():
        found = ReferenceList.objects.get(key=key)
        add_list_entries(found, [NewEntry(e["value"], e["reason"]) for e in entries], SYSTEM.name)


def make_people() -> None:
    """The demo's logins, all with PASSWORD."""
    for name in STAFF:
        user = User.objects.create_user(name, password=PASSWORD, is_staff=True)
        user.groups.add(Group.objects.get(name=name))
    User.objects.create_superuser(ADMIN, password=PASSWORD)


def make_connections(feed_url: str) -> dict[str, Any]:
    """Endpoints for the stand-ins under `feed_url`, and the API keys of shops and warehouse.

    Returns the secrets by system, and the plain keys as `shops` and `wms`.
    """
    secrets = {}
    for name in SYSTEMS:
        endpoint = Endpoint(name=name.upper(), url=f"{feed_url}/{name}/feed", kinds=KINDS[name])
        secrets[name] = add_endpoint(endpoint, actor=SYSTEM.name)
    _key, shops = create_key("Shops", source="shop", scopes=["orders:read", "orders:write"])
    _key, wms = create_key("WMS", source="wms", scopes=["orders:read", "shipments:write"])
    return {"secrets": secrets, "shops": shops, "wms": wms}


def _load_catalogue(catalogue: Catalogue) -> None:
    named: tuple[tuple[Any, Mapping[str, str]], ...] = (
        (Channel, catalogue.channels),
        (Courier, catalogue.couriers),
        (Packaging, catalogue.packagings),
    )
    for model, names in named:
        model.objects.bulk_create(model(code=code, name=name) for code, name in names.items())
    Warehouse.objects.bulk_create(
        Warehouse(code=code, name=name, priority=priority)
        for code, name, priority in catalogue.warehouses
    )
    Sku.objects.bulk_create(
        Sku(
            code=sku.code,
            name=sku.name,
            category=sku.category,
            temperature=sku.temperature,
            is_fragile=sku.is_fragile,
            high_price_threshold=sku.high_price_threshold,
            presale_ship_date=sku.presale_ship_date,
        )
        for sku in catalogue.skus
    )
    skus = dict(Sku.objects.values_list("code", "pk"))
    _load_prices(catalogue.settlement_prices, skus)
    _load_stock(catalogue.stock, skus)


def _load_prices(prices: Mapping[tuple[str, str], Decimal], skus: Mapping[str, int]) -> None:
    channels = dict(Channel.objects.values_list("code", "pk"))
    SettlementPrice.objects.bulk_create(
        (
            SettlementPrice(channel_id=channels[channel], sku_id=skus[sku], price=price)
            for (channel, sku), price in prices.items()
        ),
        batch_size=2000,
    )


def _load_stock(units: Mapping[tuple[str, str], int], skus: Mapping[str, int]) -> None:
    """The opening balance, as rows and ledger at once."""
    warehouses = dict(Warehouse.objects.values_list("code", "pk"))
    stocks = Stock.objects.bulk_create(
        (
            Stock(sku_id=skus[sku], warehouse_id=warehouses[warehouse], on_hand=count)
            for (sku, warehouse), count in units.items()
        ),
        batch_size=2000,
    )
    StockEntry.objects.bulk_create(
        (
            StockEntry(
                stock=stock,
                move=StockMove.RECEIVE,
                on_hand_delta=stock.on_hand,
                actor=SYSTEM.name,
            )
            for stock in stocks
            if stock.on_hand
        ),
        batch_size=2000,
    )


def _load_customers() -> None:
    Customer.objects.bulk_create(
        Customer(
            external_id=one.external_id,
            name=one.name,
            phone=one.phone,
            registered_at=one.registered_at,
            crm_grade=one.crm_grade,
            is_employee=one.is_employee,
            sign_for_rate=one.sign_for_rate,
        )
        for one in sample.load_customers()
    )
    ids = dict(Customer.objects.values_list("external_id", "pk"))
    records = (
        ReturnRecord(customer_id=ids[past.customer], reference=f"{past.number}/{n}", at=past.at)
        for n, past in enumerate(sample.load_return_history(), start=1)
        if past.customer in ids
    )
    while batch := list(islice(records, 1000)):
        ReturnRecord.objects.bulk_create(batch)
