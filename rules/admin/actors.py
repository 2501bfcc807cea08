"""Who acts through the admin."""

from django.http import HttpRequest


def actor_of(request: HttpRequest) -> str:
    """The actor string of the signed-in user."""
    return f"user:{request.user.get_username()}"
