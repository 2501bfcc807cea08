"""Paths of the portal; names that begin with account_ are those that allauth asks for."""

from django.urls import include, path

from orders.portal import views

portal = (
    [
        path("", views.orders, name="orders"),
        path("orders/<str:number>/", views.order, name="order-detail"),
        path("sign-out/", views.sign_out, name="sign-out"),
    ],
    "portal",
)

urlpatterns = [
    path("sign-in/", views.AskForCode.as_view(), name="account_request_login_code"),
    path("sign-in/", views.AskForCode.as_view(), name="account_login"),
    path("sign-in/code/", views.EnterCode.as_view(), name="account_confirm_login_code"),
    path("", include(portal)),
]
