# ruff: noqa: E501 - tables of patterns and prose read best in one line
"""Weak labels: what a prompt template asks for, read off its wording by rules.

The corpora name the capability of a template but not its form. These rules stand in for a human reader: each label is
yes (1), no (0) or unclear (-1); what is unclear is neither trained nor scored. The rules see TEMPLATES with their
slots, never filled prompts, so what a user pastes into a slot cannot decide a label. The teacher templates' labels
were read through one by one (`capabilities.py` holds the corrections by name), of the bulk ones a sample.
"""

import re
from dataclasses import dataclass

from stillwatch.signals.classifiers import LABELS

YES, NO, UNCLEAR = 1, 0, -1

_FLAGS = re.IGNORECASE | re.DOTALL

# Asks that reasoning be written out; several languages, so that a form is the same form in each of them.
_REASONING_ASKED = re.compile(
    r"step[- ]by[- ]step|step by step|think (?:it |this )?through|think (?:carefully|aloud|out loud)"
    r"|let'?s (?:think|solve|break|work)|chains?[- ]of[- ]thoughts?|show (?:all )?(?:your|the) (?:work|working|reasoning|steps|thinking)"
    r"|(?:reasoning|thought|thinking) (?:process|trace|steps?|chain)|internal (?:monologue|reasoning)"
    r"|explain (?:your|the|each) (?:reasoning|thinking|thought|logic)|reason (?:through|carefully|about (?:it|the problem) (?:first|before))"
    r"|<think>|begin_of_(?:thought|slow_thought)|reasoning_steps|detailed reasoning|steps? to solve|provide your solution step"
    r"|break(?:ing)? (?:down )?(?:it|this|them|the problem|problems|word problems)? ?(?:down )?into (?:clear|parts|steps|smaller)"
    r"|paso a paso|pas[oò] a pas[oò]|passo a passo|étape par étape|schritt für schritt|шаг за шагом|пошагов|по шагам"
    r"|逐步|一步一步|一步步|思考过程|推理过程|解题过程|ステップ ?バイ ?ステップ|段階的に|단계별|단계적으로"
    r"|خطوة بخطوة|تعليلك|từng bước|langkah demi langkah|selangkah demi|hatua kwa hatua|urratsez urrats|adım adım|ধাপে ধাপে|క్రమంగా|ทีละขั้น",
    _FLAGS,
)
_REASONING_REFUSED = re.compile(
    r"(?:do not|don'?t|never|without|no need to|avoid|not include|omit)[^.\n]{0,50}"
    r"(?:explain|explanation|reasoning|steps?|chain of thought|thinking|your work|rationale)",
    _FLAGS,
)
# A pep talk to the model, not a demand for text: the sections that follow fix the whole output.
_REASONING_SILENT = re.compile(
    r"think[- ]step[- ]by[- ]step about (?:how|what)|step back and think|take a step back|thought processes of prominent",
    _FLAGS,
)
_REASONING_UNCLEAR = re.compile(
    r"\b(?:explain|explanation|rationale|justif\w+|reasoning|reasons?|analy[sz]e|analysis|derivation|proof|solution steps?)\b"
    r"|explica|erklär|expliqu|объясн|解释|説明|giải thích|jelaskan|اشرح|تعليل",
    _FLAGS,
)

_JUDGED = (
    r"(?:response|answer|solution|output|submission|completion|translation|summar(?:y|ies)|essay|attempt|patch|trace|feedback|"
    r"conversation|dialogue|interaction|generated|instruction|question|quer(?:y|ies)|prompt|problem|text quality|qa pair|assistant|statement)"
)
_RUBRIC = re.compile(
    r"impartial judge|act as an? (?:answer )?judge|you are (?:a|an)[^.\n]{0,40}(?:judge|evaluator|grader|verifier)\b|grading an?"
    rf"|\b(?:rate|score|grade|evaluat\w+|assess\w*|critique|rank)\b[^.\n]{{0,90}}{_JUDGED}[^\n]{{0,400}}"
    r"(?:\bscal\w+|\bscore|\brat(?:e|ing)|\b[0-9] ?(?:-|to|–) ?(?:5|10)\b|criteri|rubric|correct|quality|difficult|verdict|feedback)"
    rf"|(?:quality|correctness|difficulty|helpfulness|faithfulness) of (?:the|this|a|each|an)[^.\n]{{0,40}}{_JUDGED}"
    r"|(?:is|whether) (?:the |this )?(?:student'?s?|model'?s?|assistant'?s?|submitted|proposed|generated|provided|given|current|following) ?(?:answer|solution|response|output|attempt)[^.\n]{0,40}"
    r"(?:correct|equivalent|consistent|faithful|supported|good|match)"
    r"|compar\w+ (?:a|the) submitted|judge whether|(?:reference|golden|ground truth|expert|correct) (?:answer|solution)[^.]{0,200}(?:judge|grade|evaluat|assess|equivalent|consisten|correct)",
    _FLAGS,
)
_RUBRIC_UNCLEAR = re.compile(
    r"\b(?:rate|rating|stars?|score[sd]?|scoring|rank\w*|grad(?:e|ing)|evaluat\w+|assess\w*|judg\w+|critique\w*|verify|verdict|rubric|faithful\w*|"
    r"correctness|which (?:one )?is better|hallucinat\w+|supported by|entailed)\b",
    _FLAGS,
)

_FORMAT = re.compile(
    r"\bjson\b|\bxml\b|\byaml\b|\bcsv\b|\\boxed|(?:follow(?:ing|s)?|this|exact|required|output|response|answer|given|strict) (?:output |response |json )?format"
    r"|format (?:of )?(?:your|the) (?:response|answer|output)|(?:format|output|respond)[^.\n]{0,15} exactly|in the format"
    r"|(?:respond|reply|answer|output|return|print|write|give|provide|generate|produce)\w*(?: me| your answer| the answer)? (?:with )?(?:only|just|exactly|a single|either|one of)"
    r"|only (?:output|return|answer|respond|reply|give|write|the)\b|just give|nothing else|anything else"
    r"|(?:do not|don'?t|without)[^.\n]{0,30}(?:any (?:other|additional|extra|further)|extra|additional|explanations?|comments?|notes?|markdown)"
    r"|end (?:your|the|with)[^.\n]{0,40}(?:line|answer|with)|final answer|####|wrap(?:ped)? (?:it|your|the)|enclose|inside (?:the )?```|<answer>|<score>|<judg"
    r"|start (?:your )?(?:answer|response|output)? ?with|should start with|begin your (?:answer|response)|must (?:always )?(?:be|start|end|follow)[^.\n]{0,30}(?:json|list|format|with)"
    r"|separated by|on a (?:new|separate) line|one (?:per|a) line|single (?:letter|word|line|number)|no explanation|output instructions"
    r"|格式|只(?:输出|返回|回答|需)|直接给出|fomat|formato|formato de|chỉ (?:trả lời|cần)|hanya|só com|apenas|solamente|solo con|únicamente|nur mit|uniquement|seulement|только|فقط|のみ|만 (?:출력|답)",
    _FLAGS,
)
_FORMAT_UNCLEAR = re.compile(
    r"\bformat\w*\b|\bbullets?\b|\blist of\b|\bnumbered\b|\bmarkdown\b|options?\b.{0,40}\bA\b|A, B, C|A or B|yes or no|true or false|in \d+ words|\btags?\b|```",
    _FLAGS,
)

_REWRITING_UNCLEAR = re.compile(
    r"censor|detoxif|(?:rewrite|rephrase|revise|reword|paraphrase|edit)[^.\n]{0,120}(?:harmful|unethical|toxic|offensive|sensitive|illegal|polite|policy|safe)"
    r"|(?:critique|revision) request|do(?:es)? not (?:want|wish) to discuss|avoid (?:politic|controvers)|politic\w+[^.\n]{0,60}(?:avoid|decline|refuse|not discuss)",
    _FLAGS,
)


@dataclass(frozen=True)
class Form:
    """The form labels of one template, each yes (1), no (0) or unclear (-1)."""

    elicitation: int
    rubric: int
    rewriting: int
    answer_format: int

    def values(self) -> tuple[int, ...]:
        """In the order of `LABELS`."""
        return tuple(getattr(self, name) for name in LABELS)


def form_of(system: str | None, template: str) -> Form:
    """Read the form labels off a template (slots still in place) or a bare prompt."""
    text = f"{system or ''}\n{template}"
    return Form(_elicitation(text), _rubric(text), _rewriting(text), _answer_format(text))


def _elicitation(text: str) -> int:
    spoken = _REASONING_SILENT.sub(" ", text)
    refused = bool(_REASONING_REFUSED.search(spoken))
    asked = bool(_REASONING_ASKED.search(_REASONING_REFUSED.sub(" ", spoken)))
    if asked:
        return UNCLEAR if refused else YES
    if refused or not _REASONING_UNCLEAR.search(spoken):
        return NO
    return UNCLEAR


def _rubric(text: str) -> int:
    if _RUBRIC.search(text):
        return YES
    return UNCLEAR if _RUBRIC_UNCLEAR.search(text) else NO


def _answer_format(text: str) -> int:
    if _FORMAT.search(text):
        return YES
    return UNCLEAR if _FORMAT_UNCLEAR.search(text) else NO


def _rewriting(text: str) -> int:
    # No public corpus asks for it; near misses are left out, the positives are templates of our own.
    return UNCLEAR if _REWRITING_UNCLEAR.search(text) else NO
