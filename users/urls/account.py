"""Sign-in and a person's own account: /admin/account/…"""

from django.urls import path

from users.views import account

app_name = "account"
urlpatterns = [
    path("sign-in/", account.sign_in, name="sign_in"),
    path("sign-out/", account.sign_out, name="sign_out"),
    path("ping/", account.ping, name="ping"),
    path("password/", account.password, name="password"),
    path("sessions/", account.sessions, name="sessions"),
    path("sessions/end-others/", account.end_others, name="end_others"),
    path("sessions/<slug:key>/end/", account.end_session, name="end_session"),
]
