"""The real URLs, and views that misbehave as no real one should."""

from django.core.exceptions import BadRequest, PermissionDenied
from django.db import connection
from django.http import HttpResponse, JsonResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from coai_admin import urls
from users.access import own_account, permission, permission_named_by, public


@public
def crash(request):
    raise RuntimeError("a secret detail")


@public
def wrong(request):
    raise BadRequest("“teir” is no filter. <b>")


@public
def forbidden(request):
    raise PermissionDenied("Only a super admin restricts staff.")


@public
@csrf_exempt
def echo(request):
    """What arrives, for checking that what is refused does not get here."""
    body = getattr(request, "json_body", None)
    return JsonResponse({"post": request.POST.dict(), "json": repr(body)})


@public
def query(request):
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return HttpResponse("answered")


def undeclared(request):
    return HttpResponse("reached")


@permission("users.browse")
def browse(request):
    return HttpResponse("reached")


@permission("subscriptions.create_service_key")
def keys(request):
    return HttpResponse("reached")


@permission_named_by("code")
def operate(request, code):
    return HttpResponse("reached")


@own_account
def mine(request):
    return HttpResponse("reached")


urlpatterns = [
    path("test/crash/", crash),
    path("test/wrong/", wrong),
    path("test/forbidden/", forbidden),
    path("test/echo/", echo),
    path("test/query/", query),
    path("test/undeclared/", undeclared),
    path("test/browse/", browse),
    path("test/operate/<str:code>/", operate),
    path("test/mine/", mine),
    path("api/test/crash/", crash),
    path("api/test/wrong/", wrong),
    path("api/test/browse/", browse),
    path("api/test/keys/", keys),
    *urls.urlpatterns,
]
handler400, handler403 = urls.handler400, urls.handler403
handler404, handler500 = urls.handler404, urls.handler500
