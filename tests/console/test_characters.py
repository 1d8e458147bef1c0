import pytest

from coai_admin.console.characters import storable


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("小明", True),
        ("\U0001f600", True),
        ("", True),
        ("a\x00b", False),
        ("\udcff", False),
        ("\ud83d\ude00", False),
    ],
)
def test_text_that_postgresql_can_hold(text, answer):
    assert storable(text) is answer
