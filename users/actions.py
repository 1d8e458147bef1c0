"""What people's pages record besides operations."""

from django.utils.translation import gettext_lazy as _

from audit.actions import Action, Kind

ACTIONS = (
    Action("account.sign_in", _("Sign in"), Kind.ACCESS, "sign-in"),
    Action("account.choose_password", _("Choose a password by a link"), Kind.ACCESS, "lock"),
    Action("account.verify_email", _("Verify an address by a link"), Kind.ACCESS, "mail"),
    Action("account.keep_email", _("Keep an address by a link"), Kind.ACCESS, "mail"),
    Action(
        "account.void_password", _("Void the password with a kept address"), Kind.ACCESS, "lock"
    ),
    Action("account.keep_second_factor", _("Keep own second factor"), Kind.ACCESS, "key"),
    Action("users.take_second_factor", _("Take a second factor, as asked"), Kind.CHANGE, "key"),
    Action("users.invite", _("Invite"), Kind.CHANGE, "mail"),
    Action("users.revoke_invitation", _("Revoke an invitation"), Kind.CHANGE, "mail"),
    Action("users.accept_invitation", _("Accept an invitation"), Kind.ACCESS, "user-plus"),
    Action("account.change_password", _("Change own password"), Kind.ACCESS, "lock"),
    Action("account.step_up", _("Confirm who one is"), Kind.ACCESS, "roles"),
    Action("account.step_up_locked", _("Lock confirming: wrong codes"), Kind.ACCESS, "lock"),
    Action("account.set_up_second_factor", _("Set up own second factor"), Kind.ACCESS, "key"),
    Action("account.remove_second_factor", _("Remove own second factor"), Kind.ACCESS, "key"),
    Action("account.renew_recovery_codes", _("Renew own recovery codes"), Kind.ACCESS, "key"),
    Action("account.end_sessions", _("End own sessions"), Kind.ACCESS, "device"),
    Action("subscriptions.create_service_key", _("Create service key"), Kind.CHANGE, "key"),
    Action("subscriptions.revoke_service_key", _("Revoke service key"), Kind.CHANGE, "key"),
    Action("users.create", _("Create user"), Kind.CHANGE, "user-plus"),
    Action("users.reveal", _("Reveal personal data"), Kind.READ, "eye"),
    Action("exports.users", _("Export users"), Kind.READ, "export"),
    Action("exports.download", _("Download an export file"), Kind.READ, "download"),
    Action("exports.schedule", _("Change a scheduled export"), Kind.CHANGE, "calendar"),
    Action("exports.statement", _("Export a statement of credits"), Kind.READ, "export"),
    Action("exports.run", _("Export the results of a run"), Kind.READ, "export"),
    Action("exports.import", _("Export the rows of an import"), Kind.READ, "export"),
    Action("users.create_super_admin", _("Create super admin"), Kind.SYSTEM, "user-plus"),
    Action("users.load_demo", _("Load demonstration data"), Kind.SYSTEM, "import"),
    Action("subscriptions.edit_tiers", _("Edit a tier"), Kind.CHANGE, "tiers"),
    Action("settings.edit", _("Edit a setting"), Kind.CHANGE, "settings"),
    Action("settings.edit_security", _("Edit a setting of security"), Kind.CHANGE, "settings"),
    Action("users.edit_reason_codes", _("Edit a reason code"), Kind.CHANGE, "suspend"),
    Action("users.edit_shared_view", _("Change a shared view"), Kind.CHANGE, "bookmark"),
    Action("audit.pause_run", _("Pause a run"), Kind.CHANGE),
    Action("audit.resume_run", _("Resume a run"), Kind.CHANGE),
    Action("audit.cancel_run", _("Cancel a run"), Kind.CHANGE),
    Action("audit.ask_approval", _("Ask for approval"), Kind.CHANGE, "approvals"),
    Action("audit.approve_run", _("Approve"), Kind.CHANGE, "approvals"),
    Action("audit.refuse_run", _("Refuse to approve"), Kind.CHANGE, "approvals"),
    Action("audit.expire_approval", _("End what nobody approved"), Kind.CHANGE, "approvals"),
    Action("audit.void_approval", _("Void an approval"), Kind.CHANGE, "approvals"),
    Action("imports.coai", _("Import a CoAI deployment"), Kind.SYSTEM, "import"),
)
