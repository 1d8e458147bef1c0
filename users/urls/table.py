"""The user table, its rows, selections and exports: /admin/users/…"""

from django.urls import path

from users.views import columns, exports, searching, selections, users

app_name = "users"
urlpatterns = [
    path("users/", users.table, name="list"),
    path("users/filters/", users.filters, name="filters"),
    path("users/search/", users.search, name="search"),
    path("users/columns/", columns.columns, name="columns"),
    path("users/query/", searching.words, name="words"),
    path("users/query/complete/", searching.complete, name="complete"),
    path("users/select/", selections.select, name="select"),
    path("users/export/", exports.export, name="export"),
    path("users/<int:user_id>/row/", users.row, name="row"),
]
