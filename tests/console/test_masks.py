"""What is shown of personal data to those who do not see it whole."""

import pytest

from coai_admin.console.masks import masked_email, masked_ip


@pytest.mark.parametrize(
    ("whole", "shown"),
    [
        ("ana@example.com", "a•••@e•••.com"),
        ("a@b.co.uk", "a•••@b•••.uk"),
        ("root@localhost", "r•••@l•••"),
        ("李雷@例子.中国", "李•••@例•••.中国"),
        ('"a@b"@c.de', '"•••@c•••.de'),
        ("", ""),
        (None, None),
    ],
)
def test_masked_email_keeps_first_letters_and_the_last_label(whole, shown):
    assert masked_email(whole) == shown


def test_masked_email_does_not_tell_how_long_it_is():
    assert masked_email("al@ex.com") == masked_email("alexandra@example-of-length.com")


@pytest.mark.parametrize(
    ("whole", "shown"),
    [
        ("203.0.113.7", "203.0.•••"),
        ("2001:db8:85a3::7334", "2001:db8:•••"),
        ("::1", "0:0:•••"),
        ("nonsense", "•••"),
        ("", ""),
        (None, None),
    ],
)
def test_masked_ip_keeps_the_network(whole, shown):
    assert masked_ip(whole) == shown
