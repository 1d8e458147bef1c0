"""Exports in the background and by schedule: /admin/exports/…"""

from django.urls import path

from users.views import export_files, schedules

app_name = "exports"
urlpatterns = [
    path("", export_files.index, name="list"),
    path("rows/", export_files.rows, name="rows"),
    path("news/", export_files.news, name="news"),
    path("schedules/new/", schedules.new, name="schedule"),
    path("schedules/<int:schedule_id>/pause/", schedules.pause, name="pause_schedule"),
    path("schedules/<int:schedule_id>/go-on/", schedules.go_on, name="go_on"),
    path("schedules/<int:schedule_id>/make-now/", schedules.make_now, name="make_now"),
    path("schedules/<int:schedule_id>/delete/", schedules.delete, name="delete_schedule"),
    path("<uuid:file_id>/", export_files.show, name="file"),
    path("<uuid:file_id>/progress/", export_files.progress, name="progress"),
    path("<uuid:file_id>/download/", export_files.download, name="download"),
    path("<uuid:file_id>/cancel/", export_files.cancel, name="cancel"),
    path("<uuid:file_id>/delete/", export_files.delete, name="delete"),
    path("<uuid:file_id>/again/", export_files.again, name="again"),
]
