"""The sidebar and looks of the admin (django-unfold)."""

from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse
from django.utils.translation import gettext_lazy as _


def _item(title: Any, icon: str, view: str, permission: str) -> dict[str, Any]:
    """A link to a list page for those who may see it."""
    return {"title": title, "icon": icon, "view": view, "permission": permission}


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """The groups and links this person may use; a page that no app registers is left out."""
    from django.contrib import admin  # needs settings, and settings import this module

    registered = {
        f"{model._meta.app_label}_{model._meta.model_name}_changelist"
        for model in admin.site._registry
    } | OTHER_PAGES
    groups = []
    for group in GROUPS:
        items = [
            {"title": item["title"], "icon": item["icon"], "link": reverse(f"admin:{item['view']}")}
            for item in group["items"]
            if item["view"] in registered and request.user.has_perm(item["permission"])
        ]
        if items:
            groups.append({**group, "items": items})
    links = [
        item["link"] for group in groups for item in group["items"] if item["link"] in request.path
    ]
    for group in groups:
        for item in group["items"]:
            # A page below another's address is that page, not both.
            item["active"] = item["link"] == max(links, key=len, default="")
    return groups


OTHER_PAGES = {"rules_funnel"}
"""Pages in the menu that are no list of records."""

GROUPS: list[dict[str, Any]] = [
    {
        "title": _("Desk"),
        "items": [
            _item(
                _("Quarantine board"),
                "front_hand",
                "orders_hold_changelist",
                "orders.view_hold",
            ),
            _item(_("Orders"), "receipt_long", "orders_order_changelist", "orders.view_order"),
            _item(
                _("Shipments"),
                "local_shipping",
                "orders_shipment_changelist",
                "orders.view_shipment",
            ),
            _item(
                _("Returns"),
                "assignment_return",
                "returns_returnrequest_changelist",
                "returns.view_returnrequest",
            ),
            _item(
                _("Customers"),
                "person",
                "orders_customer_changelist",
                "orders.view_customer",
            ),
        ],
    },
    {
        "title": _("Rules"),
        "separator": True,
        "items": [
            _item(
                _("Rule sets"),
                "account_tree",
                "rules_ruleset_changelist",
                "rules.view_ruleset",
            ),
            _item(_("Rules"), "rule", "rules_rule_changelist", "rules.view_rule"),
            _item(
                _("Backtests"),
                "replay",
                "rules_backtestrun_changelist",
                "rules.view_ruleset",
            ),
            _item(_("Funnel"), "filter_alt", "rules_funnel", "rules.view_rule"),
            _item(
                _("Lists"),
                "checklist",
                "rules_referencelist_changelist",
                "rules.view_referencelist",
            ),
            _item(
                _("Snoozes"),
                "snooze",
                "rules_rulesnooze_changelist",
                "rules.view_rulesnooze",
            ),
        ],
    },
    {
        "title": _("Catalogue"),
        "separator": True,
        "collapsible": True,
        "items": [
            _item(_("SKUs"), "inventory_2", "orders_sku_changelist", "orders.view_sku"),
            _item(_("Stock"), "warehouse", "orders_stock_changelist", "orders.view_stock"),
            _item(
                _("Sales channels"),
                "storefront",
                "orders_channel_changelist",
                "orders.view_channel",
            ),
            _item(
                _("Linked coupons"),
                "local_activity",
                "orders_channelcoupon_changelist",
                "orders.view_channelcoupon",
            ),
            _item(
                _("Warehouses"),
                "home_work",
                "orders_warehouse_changelist",
                "orders.view_warehouse",
            ),
            _item(
                _("Couriers"),
                "pedal_bike",
                "orders_courier_changelist",
                "orders.view_courier",
            ),
            _item(
                _("Packagings"),
                "package_2",
                "orders_packaging_changelist",
                "orders.view_packaging",
            ),
        ],
    },
    {
        "title": _("Change feed"),
        "separator": True,
        "collapsible": True,
        "items": [
            _item(
                _("Endpoints"),
                "hub",
                "changefeed_endpoint_changelist",
                "changefeed.view_endpoint",
            ),
            _item(
                _("Waiting lanes"),
                "low_priority",
                "changefeed_feedlane_changelist",
                "changefeed.view_feedlane",
            ),
            _item(
                _("Changes"),
                "history",
                "changefeed_change_changelist",
                "changefeed.view_change",
            ),
            _item(
                _("Pulling consumers"),
                "move_to_inbox",
                "changefeed_pullcursor_changelist",
                "changefeed.view_pullcursor",
            ),
            _item(
                _("API keys"),
                "key",
                "changefeed_apikey_changelist",
                "changefeed.view_apikey",
            ),
        ],
    },
    {
        "title": _("People"),
        "separator": True,
        "collapsible": True,
        "items": [
            _item(_("Users"), "group", "auth_user_changelist", "auth.view_user"),
            _item(_("Groups"), "badge", "auth_group_changelist", "auth.view_group"),
        ],
    },
]

ACCENT = {
    "50": "oklch(97.3% .012 255)",
    "100": "oklch(94% .025 255)",
    "200": "oklch(88.5% .05 255)",
    "300": "oklch(80% .09 255)",
    "400": "oklch(70% .13 255)",
    "500": "oklch(60% .15 256)",
    "600": "oklch(51% .15 257)",
    "700": "oklch(44% .135 258)",
    "800": "oklch(38% .11 258)",
    "900": "oklch(33% .085 258)",
    "950": "oklch(25% .06 258)",
}
"""The one accent: a calm blue; white text on 600 has a contrast above 5."""

UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Sluice 单闸",
    "SITE_HEADER": "Sluice 单闸",
    "SITE_SUBHEADER": _("Order operations"),
    "SITE_SYMBOL": "valve",
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_LANGUAGES": True,
    "BORDER_RADIUS": "6px",
    "STYLES": [lambda request: static("css/desk.css")],
    "COLORS": {"primary": ACCENT},
    "DASHBOARD_CALLBACK": "orders.admin.dashboard.dashboard",
    "SIDEBAR": {
        "show_search": False,
        "navigation": navigation,
    },
}
