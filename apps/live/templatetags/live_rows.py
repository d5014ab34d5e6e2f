"""Lets a template mark what it shows, for the page to tell the push."""

from django import template

from apps.live.versions import row_version
from apps.registrar.selectors import RegistrationRow

register = template.Library()


@register.filter
def version(row: RegistrationRow) -> str:
    return row_version(row)
