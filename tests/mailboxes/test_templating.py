"""What the language of templates can say, and that nothing else can be said in it."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailboxes.templating import (
    FILTERS,
    LONGEST_OUTPUT,
    VARIABLES,
    TemplateError,
    check_source,
    render_source,
)
from mailboxes.templating.checking import MOST_FINDINGS

VALUES = {
    "sender": {"name": "Anna <b>Müller</b>", "first_name": "Anna", "address": "anna@example.test"},
    "message": {"subject": "Order\r\nBcc: x@y.test"},
    "mailbox": {"label": "Support"},
    "lead": {"status": "new"},
}


def rendered(source: str, kind: str = "plain") -> str:
    result = render_source("html" if kind == "html" else "plain", "", source, VALUES)
    return (result.html or "") if kind == "html" else result.text.rstrip("\n")


def sentences(content: str, subject: str = "Hello") -> list[str]:
    return [str(problem) for problem in check_source(subject, content)]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("Dear {{ sender.first_name }},", "Dear Anna,"),
        ("{{ sender.first_name|upper }}", "ANNA"),
        ("{{ contact.first_name|default('there') }}", "there"),
        ("{{ sender.address|truncate(5) }}", "anna…"),
        ("{% if lead.status == 'new' %}yes{% else %}no{% endif %}", "yes"),
        ("{% if contact.name %}known{% elif sender.name %}new{% endif %}", "new"),
        ("{% if not contact.name and sender.name %}a{% endif %}", "a"),
        ("{{ 'a' if 'ann' in sender.address else 'b' }}", "a"),
        ("{# a remark #}{% raw %}{{ x }}{% endraw %}", "{{ x }}"),
        ("{{ contact.name }}", ""),
        (":-( :-( {", ":-( :-( {"),
    ],
)
def test_variables_filters_and_conditions_work(source: str, expected: str) -> None:
    assert sentences(source) == []
    assert rendered(source) == expected


def test_html_escapes_values_and_has_a_text_beside_it() -> None:
    result = render_source("html", "Hi", "<p>Dear {{ sender.name }},</p><p>thanks</p>", VALUES)
    assert "Anna &lt;b&gt;Müller&lt;/b&gt;" in (result.html or "")
    assert result.text == "Dear Anna <b>Müller</b>,\n\nthanks\n"


def test_plain_text_is_not_escaped() -> None:
    assert rendered("{{ sender.name }}") == "Anna <b>Müller</b>"


def test_a_subject_stays_one_line() -> None:
    subject = render_source("plain", "Re: {{ message.subject }}", "x", VALUES).subject
    assert subject == "Re: Order Bcc: x@y.test"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (
            "Dear\n{{ sender.nme }}",
            "Line 2: {{ sender.nme }}: there is no variable sender.nme; did you mean sender.name?",
        ),
        ("{{ sender }}", "Line 1: {{ sender }}: sender is no variable by itself: write sender.name"),
        ("{{ customer }}", "Line 1: {{ customer }}: there is no variable customer"),
        (
            "{{ sender.name|uper }}",
            "Line 1: {{ sender.name|uper }}: there is no filter uper; did you mean upper?",
        ),
        ("{{ sender['name'] }}", "write the variable with a dot, as in sender.name"),
        ("{% for x in sender %}{% endfor %}", "{% for %} is not available"),
        ("{{ sender.name", "Line 1: This cannot be read:"),
        ("{% if sender.name %}", "Line 1: This cannot be read:"),
        ("{{ 5 }}", "compare with text in quotation marks"),
        ("{{ sender.name|truncate(0) }}", "write truncate with a number from 1 to 2000"),
        ("{{ sender.name|default(5) }}", "write default with a text"),
        ("{{ sender.name|upper('x') }}", "upper takes no value"),
        ("{{ 'a' if sender.name }}", "write what else to show"),
        ("{{ 'x' if (not sender.name) in 'abc' else '' }}", "only variables and text can be compared"),
        (" ", "Line 1: The content is empty."),
    ],
)
def test_a_mistake_is_told_at_its_line(content: str, sentence: str) -> None:
    found = sentences(content)
    assert len(found) == 1
    assert sentence in found[0]


def test_all_mistakes_are_told_in_order_of_lines() -> None:
    problems = check_source("{{ a.b }}\n", "{{ sender.nme }}\n{{ foo }}\n{{ sender.name }}")
    assert [(problem.part, problem.line) for problem in problems] == [
        ("subject", 1),
        ("content", 1),
        ("content", 2),
    ]


def test_of_very_many_mistakes_the_first_are_told() -> None:
    content = "".join(f"{{{{ message.m{number} }}}}" for number in range(1_900))
    assert len(check_source("s", content)) == MOST_FINDINGS


def test_the_subject_is_a_single_line() -> None:
    assert sentences("x", subject="a\nb") == ["Line 1: The subject is a single line."]


def test_every_variable_of_the_catalogue_can_be_used() -> None:
    for group, members in VARIABLES.items():
        for name, label in members.items():
            assert sentences(f"{{{{ {group}.{name} }}}}") == []
            assert label


def test_no_variable_hides_behind_a_method_of_a_dictionary() -> None:
    names = {name for members in VARIABLES.values() for name in members}
    assert not [name for name in names if hasattr({}, name) or name.startswith("_")]


@pytest.mark.parametrize("kind", ["plain", "html"])
@pytest.mark.parametrize("name", sorted(FILTERS))
def test_every_filter_works_in_both_kinds(name: str, kind: str) -> None:
    argument = {"default": "('x')", "truncate": "(3)"}.get(name, "")
    assert rendered(f"{{{{ sender.first_name|{name}{argument} }}}}", kind)


OBJECTS = (
    *("''", "'x'", "()", "[]", "{}", "1", "1.5", "true", "none", "self", "loop", "config", "request"),
    *("sender", "sender.name", "message.subject", "cycler", "lipsum", "joiner", "namespace", "range"),
    *("dict", "g", "session", "url_for", "get_flashed_messages", "varargs", "caller", "_", "__builtins__"),
)
ATTACKS = (
    *(".__class__", ".__class__.__mro__[1].__subclasses__()", "['__class__']", "|attr('__class__')"),
    *(".__init__.__globals__", ".__init__.__globals__['os'].popen('id').read()", ".format('{0.__class__}')"),
    *("()", ".copy()", ".upper()", "|map('attr','x')", "|safe", "|tojson", "|pprint", "|format(1)"),
    *("|center(999999999)", "*10**9", "%999999999", "**9**9**9", "[0]", "[::2]", "~'x'|safe"),
)
BLOCKS = (
    "{% for a in range(10**9) %}{% for b in range(10**9) %}x{% endfor %}{% endfor %}",
    "{% set x = sender.__class__ %}{{ x }}",
    "{% import 'os' as os %}",
    "{% from 'os' import popen %}",
    "{% include '/etc/passwd' %}",
    "{% extends 'base.html' %}",
    "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "{% block b %}{% endblock %}",
    "{% filter upper %}x{% endfilter %}",
    "{% with x = 1 %}{{ x }}{% endwith %}",
    "{% autoescape false %}x{% endautoescape %}",
    "{% call m() %}{% endcall %}",
    "{% do sender.clear() %}",
    "{% raw %}{% endraw %}{{ ''.__class__ }}",
    "{% if ''.__class__ %}x{% endif %}",
    "{% if sender.name is defined %}x{% endif %}",
    "{{ sender.name if ''.__class__ else 'x' }}",
    "{{ (sender.name, 1)[0] }}",
    "{{ {'a': sender.name}['a'] }}",
    "{{ sender.name|default(''.__class__) }}",
    "{{ sender.name|truncate(10**9) }}",
    "{{ sender.name|truncate(True) }}",
    "{{ sender.name.upper }}",
    "{{ sender._name }}",
    "{{ sender.name.__len__ }}",
    "{{ sender.__getitem__('name') }}",
    "{{ lipsum.__globals__.os.popen('id').read() }}",
    "{{ 'x' if sender.name < 'y' else '' }}",
    "{{ 1" + "0" * 5000 + " }}",
    "{{ " + "(" * 3000 + "sender.name" + ")" * 3000 + " }}",
    "{{ " + "not " * 3000 + "sender.name }}",
    "{{ " + "-" * 3000 + "1 }}",
    "{% if sender.name %}" * 200 + "x" + "{% endif %}" * 200,
    "{{ sender.name" + "|upper" * 3000 + " }}",
    "{{ sender.name }}" * 3000,
    "{{ sender" + ".name" * 3000 + " }}",
    "x" * 50_001,
)
PAYLOADS = [
    *(f"{{{{ {thing}{attack} }}}}" for thing, attack in itertools.product(OBJECTS, ATTACKS)),
    *BLOCKS,
]


@pytest.mark.parametrize("payload", PAYLOADS, ids=range(len(PAYLOADS)))
def test_an_attack_is_refused_at_save_and_never_runs(payload: str) -> None:
    assert check_source("x", payload)
    with pytest.raises(TemplateError):
        render_source("html", "x", payload, VALUES)


def test_there_are_enough_attacks() -> None:
    assert len(PAYLOADS) >= 300


def test_output_is_bounded_whatever_the_values_are() -> None:
    source = "{{ sender.name }}" * 600
    with pytest.raises(TemplateError, match="too long"):
        render_source("plain", "", source, {"sender": {"name": "x" * 10_000}})
    assert len(render_source("plain", "", "{{ sender.name }}", {"sender": {"name": "x" * 10_000}}).text) < (
        LONGEST_OUTPUT
    )


FRAGMENTS = st.sampled_from(
    (
        *("{{", "}}", "{%", "%}", " if ", " else ", "endif", "sender.name", "'", "|upper", "{#", "#}", "\n"),
        *("not ", "==", "(", ")", "[", "__class__", ".", "raw", "\\x", "\x00", "\ud800"),
    )
)


@settings(max_examples=200)
@given(st.lists(FRAGMENTS | st.text(max_size=5), max_size=20).map("".join))
def test_any_text_is_either_refused_or_renders(source: str) -> None:
    if check_source("", source):
        return
    result = render_source("html", "", source, VALUES)
    result.text.encode()
    (result.html or "").encode()


@settings(max_examples=100)
@given(st.text(), st.text())
def test_values_never_become_code(name: str, subject: str) -> None:
    values = {"sender": {"name": name}, "message": {"subject": subject}}
    result = render_source("plain", "{{ message.subject }}", "[{{ sender.name }}]", values)
    assert "\n" not in result.subject
    assert result.text.startswith("[")
