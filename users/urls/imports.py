"""Reports of imports: /admin/imports/…"""

from django.urls import path

from users.views import imports

app_name = "imports"
urlpatterns = [
    path("", imports.runs, name="list"),
    path("<int:run_id>/", imports.report, name="detail"),
]
