"""Sign-in and a person's own account: /admin/account/…"""

from django.urls import path

from users.views import account, links, own_account, second_factor, step_up

app_name = "account"
urlpatterns = [
    path("", own_account.own, name="own"),
    path("shortcuts/", own_account.shortcuts, name="shortcuts"),
    path("sign-in/", account.sign_in, name="sign_in"),
    path("sign-in/code/", second_factor.sign_in_code, name="sign_in_code"),
    path("verify-email/<slug:token>/", links.verify_email, name="verify_email"),
    path("keep-email/<slug:token>/", links.keep_email, name="keep_email"),
    path("keep-second-factor/<slug:token>/", links.keep_second_factor, name="keep_second_factor"),
    path("join/<slug:token>/", links.join, name="join"),
    path("choose-password/<slug:token>/", links.choose_password, name="choose_password"),
    path("sign-out/", account.sign_out, name="sign_out"),
    path("confirm/", step_up.confirm, name="confirm"),
    path("confirm/leave/", step_up.leave, name="leave_step_up"),
    path("second-factor/", second_factor.overview, name="second_factor"),
    path("second-factor/set-up/", second_factor.set_up, name="set_up_second_factor"),
    path(
        "second-factor/recovery-codes/",
        second_factor.renew_recovery_codes,
        name="renew_recovery_codes",
    ),
    path("second-factor/keep/", second_factor.keep, name="cancel_second_factor_reset"),
    path("second-factor/remove/", second_factor.remove, name="remove_second_factor"),
    path("ping/", account.ping, name="ping"),
    path("password/", account.password, name="password"),
    path("sessions/", account.sessions, name="sessions"),
    path("sessions/end-others/", account.end_others, name="end_others"),
    path("sessions/<slug:key>/end/", account.end_session, name="end_session"),
]
