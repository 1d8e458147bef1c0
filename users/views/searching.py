"""Help with the query language: what may be written next, and a page with every word."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from users.access import permission
from users.requests import StaffRequest
from users.table.completion import offers, tags
from users.table.words import values_for, words_for
from users.views.users import BROWSE

_LONGEST = 1_000


@permission(BROWSE)
@require_safe
def words(request: StaffRequest) -> HttpResponse:
    """Every word of the language that this person may use, with its values and examples."""
    known = words_for(request.user).values()
    described = [(word, values_for(word, request.user)) for word in known]
    return render(request, "users/query_words.html", {"words": described})


@permission(BROWSE)
@require_safe
def complete(request: StaffRequest) -> HttpResponse:
    """What may follow ``q``, the text of the box up to the cursor, or which tags begin with
    ``tag``: the options of a list box."""
    text, begun = request.GET.get("q", "")[:_LONGEST], request.GET.get("tag")
    found = offers(text, request.user) if begun is None else tags(begun[:_LONGEST])
    return render(request, "users/_query_offers.html", {"offers": found})
