"""Subjects that had the mark of mail from outside before a tag, or twice, are compared as those of today.

The mark had kept the prefix behind it from being left out: "[EXT] [shop] Re: bill" was "[ext] [shop] re: bill", and is
"[shop] re: bill" since `0055_outside_marks`, where an answer to it looks for "[shop] bill".
"""

from alembic import op

from migrations.policies import open_to_the_owner

revision = "0066_marks_before_tags"
down_revision = "0065_chosen_uid"

PREFIXES = """re aw antw antwort sv vs vá res resp rsp rép rif r odp odg ynt cvp atb bls vl ats svar vastaus antwoord
    respuesta risposta réponse resposta odpověď yanıt hồi-âm trả-lời balas απ απάντηση ответ отв на відп відповідь отг
    השב תשובה רד رد الرد 回复 回覆 答复 答覆 返信 회신 답장 fw fwd wg vb tr rv i enc doorst vidb videresendt videresendelse pd
    przek továbbítás továbbított ilt yml fs tov továbbít пересл пересылка пер переслано προώθ σχετ προώθηση הועבר
    إعادة-توجيه 转发 轉寄 転送 전달"""
PREFIX = rf"(({'|'.join(PREFIXES.split())}) ?(\[\d{{1,3}}\]|\(\d{{1,3}}\)|\^\d{{1,3}}|\*\d{{1,3}}|\d{{1,2}})? ?[:：] ?)+"
# A single tag at most, with a prefix behind it: nothing else leaves these two together.
BEGINS = rf"^(\[[^][]{{1,80}}\] ?)?{PREFIX}"


def upgrade() -> None:
    with open_to_the_owner("threads"):
        op.execute(
            "UPDATE threads SET base_subject ="
            rf" regexp_replace(regexp_replace(base_subject, '{BEGINS}', '\1'), '^(\[[^][]+\]) (.*\1)', '\2')"
            f" WHERE base_subject ~ '{BEGINS}'"
        )


def downgrade() -> None:
    """Nothing: what was compared before found no answer."""
