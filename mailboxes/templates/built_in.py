"""The templates that an installation begins with, by key: what it offers until somebody decides otherwise."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class BuiltInTemplate:
    """``texts`` maps a language to subject and content; all of them are plain text."""

    name: str
    used_for: tuple[str, ...]
    texts: dict[str, tuple[str, str]] = field(default_factory=dict)


_ACKNOWLEDGEMENT = BuiltInTemplate(
    "Acknowledgement",
    ("message",),
    {
        "en": (
            "Auto: {{ message.subject|default('your message') }}",
            "Dear {{ contact.first_name|default('customer') }},\n\n"
            "thank you for your message. It has reached {{ organization.name }}, and a person will "
            "read it.\n\nThis answer was sent automatically; you can simply reply to it.\n\n"
            "{{ mailbox.label }}\n{{ organization.name }}\n",
        ),
        "de": (
            "Auto: {{ message.subject|default('Ihre Nachricht') }}",
            "Guten Tag{% if contact.name %} {{ contact.name }}{% endif %},\n\n"
            "vielen Dank für Ihre Nachricht. Sie ist bei {{ organization.name }} angekommen und wird "
            "von einem Menschen gelesen.\n\nDiese Antwort wurde automatisch verschickt; Sie können "
            "einfach darauf antworten.\n\n{{ mailbox.label }}\n{{ organization.name }}\n",
        ),
        "fr": (
            "Auto: {{ message.subject|default('votre message') }}",
            "Bonjour{% if contact.name %} {{ contact.name }}{% endif %},\n\n"
            "nous avons bien reçu votre message. Une personne de {{ organization.name }} le lira."
            "\n\nCette réponse est automatique ; vous pouvez y répondre.\n\n"
            "{{ mailbox.label }}\n{{ organization.name }}\n",
        ),
        "es": (
            "Auto: {{ message.subject|default('su mensaje') }}",
            "Hola{% if contact.name %} {{ contact.name }}{% endif %}:\n\n"
            "Gracias por su mensaje. Ha llegado a {{ organization.name }} y lo leerá una persona.\n\n"
            "Esta respuesta se ha enviado automáticamente; puede contestar a ella.\n\n"
            "{{ mailbox.label }}\n{{ organization.name }}\n",
        ),
    },
)
_CASE_RECEIVED = BuiltInTemplate(
    "Case received",
    ("message", "case"),
    {
        "en": (
            "Auto: {{ message.subject|default('your request') }}",
            "Dear {{ contact.first_name|default('customer') }},\n\n"
            "we have opened a case for your request and will come back to you. To add something, "
            "reply to this message.\n\n{{ mailbox.label }}\n{{ organization.name }}\n",
        ),
        "de": (
            "Auto: {{ message.subject|default('Ihre Anfrage') }}",
            "Guten Tag{% if contact.name %} {{ contact.name }}{% endif %},\n\n"
            "wir haben zu Ihrer Anfrage einen Vorgang angelegt und melden uns. Um etwas zu ergänzen, "
            "antworten Sie auf diese Nachricht.\n\n{{ mailbox.label }}\n{{ organization.name }}\n",
        ),
        "fr": (
            "Auto: {{ message.subject|default('votre demande') }}",
            "Bonjour{% if contact.name %} {{ contact.name }}{% endif %},\n\n"
            "nous avons ouvert un dossier pour votre demande et reviendrons vers vous. Pour la "
            "compléter, répondez à ce message.\n\n{{ mailbox.label }}\n{{ organization.name }}\n",
        ),
        "es": (
            "Auto: {{ message.subject|default('su consulta') }}",
            "Hola{% if contact.name %} {{ contact.name }}{% endif %}:\n\n"
            "Hemos abierto un caso para su consulta y le responderemos. Para añadir algo, conteste a "
            "este mensaje.\n\n{{ mailbox.label }}\n{{ organization.name }}\n",
        ),
    },
)
BUILT_IN_TEMPLATES: dict[str, BuiltInTemplate] = {
    "acknowledgement": _ACKNOWLEDGEMENT,
    "case_received": _CASE_RECEIVED,
}
