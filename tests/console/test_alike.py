import pytest
from django.template import Context, Template, TemplateSyntaxError
from django.utils.safestring import mark_safe
from django.utils.translation import override


def template(source):
    return Template("{% load alike i18n %}" + source)


def test_alike_block_sees_its_arguments_and_nothing_else_of_the_page():
    page = template("{% alike role=role %}{{ role }}/{{ name }}/{{ request }}{% endalike %}")
    shown = page.render(Context({"role": "support", "name": "ana", "request": "a request"}))
    assert shown == "support//"


def test_alike_block_is_drawn_anew_for_other_arguments():
    page = template("{% alike may=may %}{% if may %}Suspend{% endif %}{% endalike %}")
    found = [page.render(Context({"may": may})) for may in (True, False, True, 1, None)]
    assert found == ["Suspend", "", "Suspend", "Suspend", ""]


def test_alike_block_of_unsafe_text_is_escaped_after_the_same_safe_text():
    page = template("{% alike text=text %}{{ text }}{% endalike %}")
    assert page.render(Context({"text": mark_safe("<b>")})) == "<b>"
    assert page.render(Context({"text": "<b>"})) == "&lt;b&gt;"


def test_alike_block_is_drawn_anew_for_another_language():
    page = template(
        "{% get_current_language as now %}{% alike %}{% translate 'Monday' %}"
        "{% endalike %} {{ now }}"
    )
    found = []
    for language in ("en", "de", "en"):
        with override(language):
            found.append(page.render(Context()))
    assert found == ["Monday en", "Montag de", "Monday en"]


def test_alike_block_is_drawn_once():
    drawn = []
    page = template("{% alike say=say %}{{ say.again }}{% endalike %}")

    class Say:
        def again(self):
            drawn.append(1)
            return "once"

    say = Say()
    assert [page.render(Context({"say": say})) for _each in range(3)] == ["once"] * 3
    assert len(drawn) == 1


def test_alike_keeps_few_drawings():
    page = template("{% alike number=number %}{{ number }}{% endalike %}")
    found = [page.render(Context({"number": number})) for number in range(500)]
    assert found == [str(number) for number in range(500)]
    [node] = [each for each in page.nodelist if hasattr(each, "drawn")]
    assert len(node.drawn) <= 200


def test_alike_with_an_argument_that_has_no_name_is_refused():
    with pytest.raises(TemplateSyntaxError, match="by name"):
        template("{% alike user %}{% endalike %}")
