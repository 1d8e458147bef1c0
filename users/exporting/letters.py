"""Letters about exports that were made by schedule. They carry a link to a page that asks to sign
in, never the file."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from audit.models import ExportFile
from users.mail import NOTICE_LIVES, Letter, one_line
from users.models import ExportSchedule


def about_last(schedule_id: int, written_at: datetime, now: datetime) -> Letter | None:
    """What the letter about the newest file of a schedule needs: ready, or not made and why. None
    where the schedule was deleted, nobody has an address, or it is too late for news."""
    schedule = ExportSchedule.objects.select_related("owner").filter(pk=schedule_id).first()
    if schedule is None or not schedule.owner.email or now - written_at > NOTICE_LIVES:
        return None
    made = ExportFile.objects.filter(schedule_id=schedule_id, created_at__lte=written_at)
    file = made.defer("ids").order_by("-finished_at", "-created_at", "-pk").first()
    if file is None:
        return None
    ready = file.state == ExportFile.State.READY
    page = reverse("exports:file", args=[file.pk]) if ready else reverse("exports:list")
    return Letter(
        to=schedule.owner.email,
        context={
            "name": one_line(schedule.name),
            "rows": f"{file.rows_done:,}",
            "until": f"{date_format(file.expires_at, 'j M Y, H:i')} UTC" if file.expires_at else "",
            "why": file.error,
            "stopped": bool(schedule.stopped),
        },
        link=f"{settings.SITE_URL}{page}",
        link_label=_("Open the export") if ready else _("Open exports"),
    )
