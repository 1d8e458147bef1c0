"""Addresses that these tests ask."""

SIGN_IN = "/admin/account/sign-in/"
ECHO = "/test/echo/"
STYLE = "/static/console/css/tokens.css"


def static_file(client):
    response = client.get(STYLE)
    response.close()
    return response
