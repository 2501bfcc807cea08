"""Linked coupons in and out by file: a preview first, then all of it or nothing."""

from collections.abc import Mapping
from typing import Any

import tablib
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from import_export import fields, resources
from import_export.results import Result

from orders.actors import user_actor
from orders.lifecycle.coupons import CouponLink, link_coupons
from orders.models import Channel, ChannelCoupon
from rules.admin.transfer import PreviewedResult, as_meant, harmless, refuse_long
from rules.lifecycle.lists import visible

COLUMNS = ("channel", "code", "name")
LONGEST = {"code": 64, "name": 120}
SHOWN_CHANGES = 500


class ChannelCouponResource(resources.ModelResource):
    """Rows of a file as linked coupons, by the channel's code; written by one act at the end."""

    channel = fields.Field(attribute="channel__code", column_name="channel", readonly=True)

    class Meta:
        model = ChannelCoupon
        fields = COLUMNS
        import_order = export_order = COLUMNS
        import_id_fields = ("code",)
        use_transactions = False
        skip_unchanged = False

    @classmethod
    def get_result_class(cls) -> type[Result]:
        """Long files are not shown whole."""
        return PreviewedResult

    def before_import(self, dataset: tablib.Dataset, **kwargs: Any) -> None:
        """Learn the channels and what they have linked already, in two queries."""
        missing = [name for name in ("channel", "code") if name not in (dataset.headers or ())]
        if missing:
            raise ValidationError(_("Missing columns: %(names)s.") % {"names": ", ".join(missing)})
        refuse_long(len(dataset))
        self._channels = {channel.code: channel for channel in Channel.objects.all()}
        codes = {visible(as_meant(_text(cell))) for cell in dataset["code"]}
        known = ChannelCoupon.objects.filter(code__in=codes).select_related("channel")
        self._known = {(coupon.channel.code, coupon.code): coupon for coupon in known}
        self._taken: list[CouponLink] = []
        self._meta.skip_diff = len(dataset) > SHOWN_CHANGES

    def before_import_row(self, row: dict[str, Any], **kwargs: Any) -> None:
        """Bring the cells into shape; refuse what cannot be linked."""
        for name in COLUMNS:
            row[name] = visible(as_meant(_text(row.get(name))))
        if row["channel"] not in self._channels:
            raise ValidationError({"channel": _("There is no such sales channel.")})
        if not row["code"]:
            raise ValidationError({"code": _("This field must not be empty.")})
        for name, limit in LONGEST.items():
            if len(row[name]) > limit:
                raise ValidationError({name: _("At most %(limit)d characters.") % {"limit": limit}})

    def get_instance(self, instance_loader: Any, row: Mapping[str, Any]) -> ChannelCoupon | None:
        """The linked coupon that this row would rename."""
        return self._known.get((row["channel"], row["code"]))

    def import_instance(self, instance: ChannelCoupon, row: dict[str, Any], **kwargs: Any) -> None:
        """Fill the coupon."""
        instance.channel = self._channels[row["channel"]]
        instance.code, instance.name = row["code"], row["name"]

    def save_instance(
        self, instance: ChannelCoupon, is_create: bool, row: Mapping[str, Any], **kwargs: Any
    ) -> None:
        """Keep the row for the one act at the end."""
        self._taken.append(CouponLink(instance.channel_id, instance.code, instance.name))

    def after_import(self, dataset: tablib.Dataset, result: Any, **kwargs: Any) -> None:
        """Link everything, unless this is only the preview or a row is wrong."""
        if kwargs.get("dry_run") or result.has_errors() or result.has_validation_errors():
            return
        link_coupons(self._taken, actor=user_actor(kwargs["user"]))

    def export_field(self, field: Any, instance: ChannelCoupon, **kwargs: Any) -> Any:
        """No cell may act as a formula."""
        value = super().export_field(field, instance, **kwargs)
        return harmless(value) if isinstance(value, str) else value


def _text(cell: object) -> str:
    """A cell as text; a number typed into a spreadsheet is meant as its digits."""
    if cell is None:
        return ""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell)
