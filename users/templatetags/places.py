"""Ways between the pages of one place."""

from __future__ import annotations

from typing import Any

from django import template

from users import navigation

register = template.Library()


@register.simple_tag(takes_context=True)
def pages_within(context: dict[str, Any], name: str) -> list[navigation.Item]:
    """The place of that URL name and its parts, as far as the reader is offered them."""
    return navigation.pages(context["request"], within=name)
