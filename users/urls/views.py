"""Views of the user table that are kept: /admin/views/…"""

from django.urls import path

from users.views import saved_views

app_name = "views"
urlpatterns = [
    path("", saved_views.index, name="list"),
    path("new/", saved_views.new, name="new"),
    path("counts/", saved_views.counts, name="counts"),
    path("restore/<str:token>/", saved_views.restore, name="restore"),
    path("<int:view_id>/", saved_views.show, name="open"),
    path("<int:view_id>/edit/", saved_views.edit, name="edit"),
    path("<int:view_id>/redraw/", saved_views.redraw, name="redraw"),
    path("<int:view_id>/move/", saved_views.move, name="move"),
    path("<int:view_id>/delete/", saved_views.delete, name="delete"),
]
