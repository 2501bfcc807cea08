"""Coupons tied to main stock: listed, moved by file, guarded by role, and asked at screening."""

import io
from typing import Any

import openpyxl
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from orders.lifecycle.coupons import CouponLink, link_coupons
from orders.lifecycle.placing import place_order
from orders.lifecycle.screening import rescreen_order
from orders.models import Channel, ChannelCoupon, Hold, Order, ScreeningDecision
from tests.factories import order_document
from tests.orders.desk import SHOP, person

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("world")]

LIST = "admin:orders_channelcoupon_changelist"
USED = [{"code": "LIVE-50", "type": "直播券", "discount": "5.00"}]
CSV, XLSX = "0", "1"


def link(*codes: str, channel: str = "douyin") -> None:
    channel_id = Channel.objects.get(code=channel).pk
    link_coupons([CouponLink(channel_id, code) for code in codes], actor=SHOP)


def linked() -> set[tuple[str, str, str]]:
    return set(ChannelCoupon.objects.values_list("channel__code", "code", "name"))


def screened(number: str, **changes: Any) -> tuple[object, list[str]]:
    place_order(order_document(number, **changes), actor=SHOP)
    facts = ScreeningDecision.objects.get(order__number=number).facts
    holds = Hold.objects.filter(order__number=number).values_list("rule_key", flat=True)
    return facts.get("stock.coupon_unlinked"), list(holds)


# --- at screening ------------------------------------------------------------------------------


def test_a_coupon_of_a_channel_that_links_none_is_not_asked_about() -> None:
    assert screened("A-1", coupons=USED) == (None, [])


def test_an_order_with_a_coupon_that_is_not_linked_is_held() -> None:
    link("LIVE-10")
    link("LIVE-50", channel="tmall")

    assert screened("A-1", coupons=USED) == (True, ["coupon-unlinked"])
    assert screened("A-2", coupons=USED, channel="tmall") == (False, [])
    assert screened("A-3", coupons=USED, channel="app") == (None, [])
    assert screened("A-4") == (False, [])


def test_linking_the_coupon_lets_a_later_screening_see_it() -> None:
    link("LIVE-10")
    assert screened("A-1", coupons=USED)[0] is True

    link("LIVE-50")
    order = rescreen_order(Order.objects.get(number="A-1").pk, actor=SHOP)

    latest = ScreeningDecision.objects.filter(order=order).order_by("-id")[0]
    assert latest.facts["stock.coupon_unlinked"] is False


def test_linking_twice_changes_only_the_name() -> None:
    channel = Channel.objects.get(code="douyin").pk
    link_coupons([CouponLink(channel, "A", "old"), CouponLink(channel, "B")], actor=SHOP)
    assert link_coupons(
        [CouponLink(channel, "A", "x"), CouponLink(channel, "A", "new")], actor=SHOP
    )

    assert linked() == {("douyin", "A", "new"), ("douyin", "B", "")}


# --- the desk ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("group", "may_see", "may_write"),
    [
        ("operations", True, True),
        ("supervisor", True, False),
        ("agent", True, False),
        ("warehouse", False, False),
    ],
)
def test_each_role_does_what_it_may(group: str, may_see: bool, may_write: bool) -> None:
    link("LIVE-10")
    _user, client = person(group)
    coupon = ChannelCoupon.objects.get()
    change = reverse("admin:orders_channelcoupon_change", args=(coupon.pk,))
    delete = reverse("admin:orders_channelcoupon_delete", args=(coupon.pk,))

    assert client.get(reverse(LIST)).status_code == (200 if may_see else 403)
    add = reverse("admin:orders_channelcoupon_add")
    imports = reverse("admin:orders_channelcoupon_import")
    for url in (add, imports, delete):
        assert client.get(url).status_code == (200 if may_write else 403)
    posted = client.post(change, {"name": "renamed"})
    assert posted.status_code == (302 if may_write else 403)
    assert linked() == {("douyin", "LIVE-10", "renamed" if may_write else "")}
    sidebar = client.get(reverse("admin:index")).content.decode()
    assert (reverse(LIST) in sidebar) is may_see


def test_coupons_are_added_on_their_channel_too() -> None:
    _user, client = person("operations")
    channel = Channel.objects.get(code="douyin")
    url = reverse("admin:orders_channel_change", args=(channel.pk,))
    empty = {
        f"{prefix}-{name}": value
        for prefix in ("settlement_prices", "coupons")
        for name, value in (("TOTAL_FORMS", "0"), ("INITIAL_FORMS", "0"))
    }
    row = {"coupons-TOTAL_FORMS": "1", "coupons-0-code": "LIVE-50", "coupons-0-name": "直播五十"}
    row |= {"coupons-0-channel": str(channel.pk), "coupons-0-id": ""}

    answer = client.post(url, {"name": channel.name, "is_active": "on", **empty, **row})

    assert answer.status_code == 302
    assert linked() == {("douyin", "LIVE-50", "直播五十")}


# --- by file ----------------------------------------------------------------------------------


@pytest.fixture
def operations() -> Client:
    _user, client = person("operations")
    client.cookies["django_language"] = "en"
    return client


def preview(client: Client, content: bytes, kind: str = CSV) -> Any:
    upload = SimpleUploadedFile("coupons.csv" if kind == CSV else "coupons.xlsx", content)
    return client.post(
        reverse("admin:orders_channelcoupon_import"),
        {"import_file": upload, "format": kind, "resource": ""},
    )


def confirm(client: Client, shown: Any) -> Any:
    url = reverse("admin:orders_channelcoupon_process_import")
    return client.post(url, shown.context["confirm_form"].initial)


def test_a_file_is_previewed_and_then_taken_at_once(operations: Client) -> None:
    link("LIVE-10")
    content = "channel,code,name\ndouyin,LIVE-10,十元\ntmall, LIVE-50\u200b,五十元\n".encode()

    shown = preview(operations, content)
    assert linked() == {("douyin", "LIVE-10", "")}
    assert confirm(operations, shown).status_code == 302

    assert linked() == {("douyin", "LIVE-10", "十元"), ("tmall", "LIVE-50", "五十元")}


def test_a_workbook_is_taken_as_well(operations: Client) -> None:
    book = openpyxl.Workbook()
    for row in (["channel", "code"], ["douyin", 12345.0], ["douyin", "A"]):
        book.active.append(row)
    out = io.BytesIO()
    book.save(out)

    confirm(operations, preview(operations, out.getvalue(), XLSX))

    assert linked() == {("douyin", "12345", ""), ("douyin", "A", "")}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("nowhere,A,", "There is no such sales channel."),
        ("douyin,\u200b,", "This field must not be empty."),
        (f"douyin,{'x' * 65},", "At most 64 characters."),
        (f"douyin,A,{'x' * 121}", "At most 120 characters."),
    ],
)
def test_one_bad_row_takes_nothing_and_says_why(operations: Client, line: str, said: str) -> None:
    shown = preview(operations, f"channel,code,name\ndouyin,GOOD,\n{line}\n".encode())

    assert shown.context.get("confirm_form") is None
    assert said in shown.content.decode()
    assert linked() == set()


def test_missing_columns_are_named(operations: Client) -> None:
    shown = preview(operations, b"code\nA\n")

    assert "Missing columns: channel." in shown.content.decode()
    assert linked() == set()


@pytest.mark.parametrize("code", ["=1+1", "+A", "@SUM(A1)", "-1"])
def test_no_exported_cell_is_a_formula_and_it_comes_back_as_it_was(
    operations: Client, code: str
) -> None:
    link(code)
    exported = operations.post(
        reverse("admin:orders_channelcoupon_export"),
        {"format": CSV, "resource": "", "export_items": []},
    ).content.decode()
    assert f"douyin,'{code}," in exported

    ChannelCoupon.objects.all().delete()
    confirm(operations, preview(operations, exported.encode()))
    assert linked() == {("douyin", code, "")}
