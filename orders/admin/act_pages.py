"""One small page per act: a form, what will follow, and one button; works without JavaScript."""

from typing import Any, TypeVar

from django import forms
from django.contrib.admin import ModelAdmin
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

Found = TypeVar("Found", bound=Model)


class ActForm(forms.Form):
    """A form in the desk's looks."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            if type(field.widget) is forms.TextInput:
                field.widget = UnfoldAdminTextInputWidget(attrs=field.widget.attrs)
                field.widget.is_required = field.required


class ReasonForm(ActForm):
    """An act that needs nothing but its reason."""

    reason = forms.CharField(
        label=_("reason"), max_length=500, widget=UnfoldAdminTextareaWidget(attrs={"rows": 3})
    )


def found(rows: "QuerySet[Found]", key: object) -> Found:
    """The row with this primary key; anything else, also what is no number, is not found."""
    text = str(key)
    if not (text.isascii() and text.isdecimal() and len(text) < 19):
        raise Http404
    row = rows.filter(pk=int(text)).first()
    if row is None:
        raise Http404
    return row


def act_page(
    model_admin: ModelAdmin,
    request: HttpRequest,
    form: forms.Form,
    *,
    title: Any,
    submit: Any,
    subject: str = "",
    follows: Any = "",
    icon: str = "",
    back: tuple[Any, ...] = (),
    **extra: Any,
) -> HttpResponse:
    """The page of one act; answers 422 when the form was sent and is wrong."""
    opts = model_admin.model._meta
    back_url = (
        reverse(back[0], args=back[1:])
        if back
        else reverse(f"admin:{opts.app_label}_{opts.model_name}_changelist")
    )
    context = {
        **model_admin.admin_site.each_context(request),
        "title": title,
        "opts": opts,
        "form": form,
        "subject": subject,
        "follows": follows,
        "submit": submit,
        "icon": icon,
        "back_url": back_url,
        **extra,
    }
    template = extra.get("template", "admin/orders/act_page.html")
    return TemplateResponse(request, template, context, status=422 if form.is_bound else 200)
