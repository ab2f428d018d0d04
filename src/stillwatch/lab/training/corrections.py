# ruff: noqa: E501 - tables of patterns and prose read best in one line
"""Form labels set by hand where reading a template showed that the rules of `labels.py` misread it.

All 388 teacher templates were read, and every bulk template that the rules called elicitation or rubric grading.
"""

from stillwatch.lab.training.capabilities import Rule
from stillwatch.lab.training.labels import NO, UNCLEAR, YES, Form

_ELICITATION = (
    # The fabric patterns tell the model to think, then fix an output without any reasoning.
    (Rule("fabric", "^solve_with_cot$", None), YES),
    (Rule("fabric", "explain_math|improve_prompt", None), UNCLEAR),
    (Rule("fabric", "", None), NO),
    (Rule("OpenHands", "in_context_learning|system_prompt_", None), NO),
    # A rationale of a mark, reasoning as the matter that is judged, or harder problems: not the model's own reasoning.
    (Rule("UltraFeedback|distilabel", "preference_templates|^ultrafeedback/", None), UNCLEAR),
    (Rule("self-instruct|evol-teacher|distilabel|camel", "input_first|^evolve:2|INCREASED_REASONING|Templates:reasoning", None), UNCLEAR),
    (Rule("camel", "EVALUATION_TEMPLATE", None), NO),
    (Rule("camel", "IMPROVEMENT_TEMPLATE", None), YES),
    (Rule("curator", "generate_script", None), UNCLEAR),
    (Rule("NVIDIA-NeMo", "DISTILL_|EXTRACT_KNOWLEDGE", None), NO),
    (Rule("NVIDIA-NeMo", "mind_teacher_student", None), UNCLEAR),
    (Rule("DataFlow", "QuestionFilterPrompt|CorrespondenceFilter|ConsistentChat|SFTFromScratch", None), UNCLEAR),
    (Rule("Otter", "", None), UNCLEAR),
)  # fmt: skip

_RUBRIC = (
    (Rule("fabric", "analyze_answers|judge_output|rate_ai_re|analyze_cfp|review_code", None), YES),
    (Rule("fabric", "rate_|grade|analyze_|arbiter|score", None), UNCLEAR),
    (Rule("fabric", "", None), NO),
    (Rule("promptsource", "subjqa", None), UNCLEAR),
    (Rule("promptsource|evaluation-harness|OpenHands", "", None), NO),
    (Rule("NVIDIA-NeMo", "ocr_scoring", None), UNCLEAR),
)  # fmt: skip


def corrected(form: Form, source: str, name: str, teacher_grading: bool | None) -> Form:
    """A template's labels after the corrections.

    Args:
        form: what the rules read.
        source: its project.
        name: its name there.
        teacher_grading: for teacher templates whether it grades, as read by hand; None for other templates.
    """
    rubric = _first(_RUBRIC, source, name, form.rubric)
    if teacher_grading is not None:
        rubric = YES if teacher_grading else min(rubric, NO)
    return Form(
        _first(_ELICITATION, source, name, form.elicitation), rubric, form.rewriting, form.answer_format
    )


def _first(rules: tuple[tuple[Rule, int], ...], source: str, name: str, otherwise: int) -> int:
    for rule, value in rules:
        if rule.fits(source, name):
            return value
    return otherwise
