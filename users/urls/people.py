"""People and roles: /admin/users/new/, /admin/staff/, /admin/roles/…"""

from django.urls import path

from users.views import new_user, staff

urlpatterns = [
    path("users/new/", new_user.new_user, name="user_new"),
    path("staff/", staff.staff, name="staff"),
    path("roles/", staff.matrix, name="roles"),
    path("roles/may/", staff.may, name="may"),
]
