"""Runs: /admin/runs/…"""

from django.urls import path

from users.views import run_steps, runs

app_name = "runs"
urlpatterns = [
    path("", runs.index, name="list"),
    path("now/", runs.now, name="now"),
    path("<uuid:run_id>/", runs.detail, name="detail"),
    path("<uuid:run_id>/progress/", runs.progress, name="progress"),
    path("<uuid:run_id>/confirm/", run_steps.confirm, name="confirm"),
    path("<uuid:run_id>/pause/", run_steps.turn, {"what": "pause"}, name="pause"),
    path("<uuid:run_id>/resume/", run_steps.turn, {"what": "resume"}, name="resume"),
    path("<uuid:run_id>/cancel/", run_steps.turn, {"what": "cancel"}, name="cancel"),
    path("<uuid:run_id>/retry/", run_steps.retry, name="retry"),
    path("<uuid:run_id>/results/", run_steps.results, name="results"),
]
