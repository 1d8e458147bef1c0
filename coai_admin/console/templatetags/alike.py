"""``{% alike %}``: parts of a page that are drawn once, not for each request."""

from __future__ import annotations

from django import template
from django.template.base import FilterExpression, NodeList, Parser, Token, token_kwargs
from django.urls import get_script_prefix
from django.utils.safestring import SafeString
from django.utils.translation import get_language

register = template.Library()

MOST = 200


class Alike(template.Node):
    """What its block gives for these arguments, in this language; kept in this process."""

    def __init__(self, block: NodeList, arguments: dict[str, FilterExpression]) -> None:
        self.block, self.arguments = block, arguments
        self.drawn: dict[tuple[object, ...], SafeString] = {}

    def render(self, context: template.Context) -> SafeString:
        given = {name: value.resolve(context) for name, value in self.arguments.items()}
        # Text that is safe equals text that is not, and True equals 1: the types tell them apart.
        key = (
            get_language(),
            get_script_prefix(),
            *((type(value), value) for value in given.values()),
        )
        drawn = self.drawn.get(key)
        if drawn is None:
            if len(self.drawn) >= MOST:
                self.drawn.clear()
            drawn = self.drawn[key] = self.block.render(context.new(given))
        return drawn


@register.tag
def alike(parser: Parser, token: Token) -> Alike:
    """Draw the block once for each language and for each set of arguments
    (``{% alike name=user.username %}``), and take it as it is from then on.

    The block sees its arguments and nothing else of the page: no request, no user, no permissions.
    So it can show nobody what was drawn for another person, unless that is an argument, and then
    only to whom the same is given. For arguments of few values that can be hashed: texts, truth
    values, tuples of them.
    """
    name, *words = token.split_contents()
    arguments = token_kwargs(words, parser)
    if words:
        raise template.TemplateSyntaxError(f"{name} takes arguments by name: {words[0]!r}")
    block = parser.parse((f"end{name}",))
    parser.delete_first_token()
    return Alike(block, arguments)
