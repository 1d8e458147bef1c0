"""The Celery application: workers and the schedule of recurring jobs."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "coai_admin.settings")

app = Celery("coai_admin")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["audit", "billing", "subscriptions", "users"])
app.conf.beat_schedule = {
    "outbox": {"task": "audit.tasks.deliver_outbox", "schedule": 5.0},
    "partitions": {"task": "audit.tasks.ensure_partitions", "schedule": 6 * 3600.0},
    "statistics": {"task": "billing.tasks.copy_statistics", "schedule": 5.0},
    # Those that found no worker in time are not worth keeping: the next comes at once.
    "runs": {"task": "audit.tasks.work_runs", "schedule": 2.0, "options": {"expires": 4.0}},
    "drafts": {"task": "audit.tasks.forget_drafts", "schedule": 3600.0},
    "approvals": {"task": "audit.tasks.expire_approvals", "schedule": 300.0},
    "selections": {"task": "audit.tasks.forget_selections", "schedule": 3600.0},
    "exports": {
        "task": "audit.tasks.write_exports",
        "schedule": 3.0,
        "options": {"expires": 3},  # one that finds every worker busy is not worth keeping
    },
    "expired_exports": {"task": "audit.tasks.expire_exports", "schedule": 300.0},
    "scheduled_exports": {"task": "users.tasks.begin_scheduled_exports", "schedule": 30.0},
    "sessions": {"task": "users.tasks.forget_ended_sessions", "schedule": 15 * 60.0},
    "uploads": {
        "task": "users.tasks.read_uploads",
        "schedule": 2.0,
        "options": {"expires": 4.0},
    },
    "old_uploads": {"task": "users.tasks.forget_uploads", "schedule": 3600.0},
    "second_factors": {"task": "users.tasks.take_second_factors", "schedule": 60.0},
}
