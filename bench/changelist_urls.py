"""A stock ModelAdmin of users, with the facts that the user table shows."""

from django.contrib.admin import AdminSite, ModelAdmin
from django.urls import path

from users.models import User


class UserAdmin(ModelAdmin):
    """As one writes it: columns, joined tables loaded at once, search."""

    list_display = (
        "username",
        "id",
        "email",
        "email_state",
        "tier",
        "credits",
        "used",
        "months",
        "ends_at",
        "last_seen_at",
        "joined_at",
        "country",
        "role",
    )
    list_select_related = ("standing", "account")
    list_per_page = 50
    search_fields = ("username", "email")
    ordering = ("-joined_at",)

    def tier(self, user):
        return user.standing.tier

    def credits(self, user):
        return user.account.balance

    def used(self, user):
        return user.account.used_total + user.account.opening_used

    def months(self, user):
        return user.standing.months

    def ends_at(self, user):
        return user.standing.ends_at

    def has_module_permission(self, request):
        return True

    def has_view_permission(self, request, obj=None):
        return True


site = AdminSite()
site.register(User, UserAdmin)
urlpatterns = [path("peer/", site.urls)]
