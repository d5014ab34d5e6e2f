"""Signing in and out; Django's own views with our pages."""

from django.contrib.auth.forms import AuthenticationForm, UsernameField
from django.contrib.auth.views import LoginView, LogoutView
from django.forms import CharField, PasswordInput, TextInput


class SignInForm(AuthenticationForm):
    """Says what can be done about it, and not which of the two was wrong."""

    username = UsernameField(
        label="User name", widget=TextInput(attrs={"autofocus": True, "autocapitalize": "none"})
    )
    password = CharField(
        label="Password", strip=False, widget=PasswordInput(attrs={"autocomplete": "current-password"})
    )
    error_messages = {
        "invalid_login": "User name or password is wrong. Check both; capital letters count.",
        "inactive": "This account is switched off. Ask an admin.",
    }


class SignIn(LoginView):
    template_name = "console/sign_in.html"
    authentication_form = SignInForm
    redirect_authenticated_user = True


class SignOut(LogoutView):
    """By POST only: a link on another page must not sign anybody out."""
