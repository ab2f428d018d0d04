# ruff: noqa: E501 - tables of patterns and prose read best in one line
"""Which capability a template asks for: the corpora's own labels, corrected by name where they group by file.

The first rule that fits wins. A rule without a capability leaves the template out of the capability training.
"""

import re
from dataclasses import dataclass

CAPABILITIES = (
    "agentic", "classification", "coding", "data_analysis", "extraction", "instruction_synthesis",
    "other", "question_answering", "reasoning", "rubric_grading", "translation",
)  # fmt: skip

# Finer classes that the rules below still tell apart, but that words learned in some projects do not find in others
# (recall on unseen templates at most 7 %, or nearly every find wrong): one class, or none.
MERGED = {
    "agentic_coding": "agentic", "tool_use": "agentic", "chat": "other", "roleplay": "other", "vision": "other", "writing": "other",
}  # fmt: skip


def merged(capability: str | None) -> str | None:
    """The class that is trained for a finer one; None stays None."""
    return MERGED.get(capability, capability) if capability else None


@dataclass(frozen=True)
class Rule:
    """Templates whose project and name fit, and what they ask for (None: left out)."""

    source: str
    name: str
    capability: str | None

    def fits(self, source: str, name: str) -> bool:
        """Whether the rule speaks of this template; both are regular expressions found anywhere."""
        return bool(re.search(self.source, source) and re.search(self.name, name))


# Found by reading all teacher templates.
TEACHER_RULES = (
    Rule("yizhongw/self-instruct|camel-ai", r"clf_template|clf_task_template", None),
    Rule("UltraFeedback", "completion:", "chat"),
    Rule("distilabel", "semantic_checker|instruction-backtranslation", "rubric_grading"),
    Rule("distilabel", "argillalabeller|text_classification$", "classification"),
    Rule("distilabel", "urial", "chat"),
    Rule("magpie", "input_classification", "classification"),
    Rule("magpie", "multi_turn|with_system_prompt|pre_query_template$", "chat"),
    Rule("magpie", "template_translation", "translation"),
    Rule("curator", "generate_script|script_generator", None),
    Rule("curator", "retrieve_and_generate", "question_answering"),
    Rule("s1", "domain_classification", "classification"),
    Rule("SWE-Gym", "", "rubric_grading"),
    Rule("camel", "verify_answer|evaluate_partial_solution|EVALUATION_TEMPLATE", "rubric_grading"),
    Rule("camel", "GENERATE_(?:ASSISTANTS|USERS|TASKS|LANGUAGES|DOMAINS)|TASK_SPECIFY", "instruction_synthesis"),
    Rule("camel", "EMBODIMENT_PROMPT", None),
    Rule("camel", "TranslationPrompt", "translation"),
    Rule("camel", "SolutionExtraction", "extraction"),
    Rule("Otter", "translation", "translation"),
    Rule("NeMo/Curator|NVIDIA-NeMo", "MATH_TOPIC", "classification"),
    Rule("NVIDIA-NeMo", "DIVERSE_QA", "instruction_synthesis"),
    Rule("NVIDIA-NeMo", "KNOWLEDGE_LIST|HTML_TO_TEXT", "extraction"),
    Rule("open-instruct", "rewrite_if", "instruction_synthesis"),
    Rule("open-instruct", "instruction_following_solution", None),
    Rule("open-instruct", "grade_difficulty", "rubric_grading"),
    Rule("synthetic-data-kit", "^summary", "extraction"),
    Rule("synthetic-data-kit", "qa_generation", "instruction_synthesis"),
    Rule("DataFlow", "RecallScore|SupersetCheck|OriginCheck|EssEq", "rubric_grading"),
    Rule("DataFlow", "LanguageFilter|QuestionCategory", "classification"),
    Rule("DataFlow", "QuestionVerify", "question_answering"),
    Rule("DataFlow", r"GoldenDoc|AtomicTaskGeneratorAnswerPrompt|DepthQAGeneratorAnswer|SingleHop|ComparisonReasoning|Multihop(?:Inference|Comparison)Prompt", "question_answering"),
    Rule("DataFlow", "GetIdentifier|GetConlcusion|CleanQA|RefineAnswer|ExtractSmiles", "extraction"),
    Rule("DataFlow", "OptionalAnswer", "writing"),
    Rule("DataFlow", "AtomicTaskGenerator|DepthQA|WidthQA|AtomicQA|ExtractScenario|ExpandScenario", "instruction_synthesis"),
    Rule("DataFlow", "MetaPrompt|Alpagasus|Text2QA(?:QuestionQuality|AnswerAlignment|AnswerVerif|Downstream)|base_critique", "rubric_grading"),
    Rule("DataFlow", "base_refine", "writing"),
    Rule("DataFlow", "Treeinstruct|KnowledgeCleaner", None),
    Rule("DataFlow", "MathbookQuestionExtract", "vision"),
)  # fmt: skip

# What the corpora call a teacher template that no rule corrects.
TEACHER_DEFAULTS = {
    "instruction_following": "instruction_synthesis", "rewrite": "writing", "rubric_grading": "rubric_grading",
    "tool_use": "tool_use", "coding": "coding", "reasoning_cot": "reasoning", "vision": "vision",
    "data_analysis": "data_analysis", "persona": "roleplay", "agentic_coding": "agentic_coding",
}  # fmt: skip

BULK_RULES = (
    Rule("Aider|SWE-agent", r"prompts$|yaml|context_prompts", "agentic_coding"),
    Rule("OpenHands", "", "agentic_coding"),
    Rule("evaluation-harness|promptsource|helm|evals", r"gsm|mgsm|(?:^|[:_])math|_math|aime|bbh|gpqa|arithmetic|asdiv|svamp|aqua_?rat|omni_math", "reasoning"),
    Rule("evaluation-harness|promptsource|helm|evals", r"humaneval|mbpp|apps|bigcodebench|codeinsights|code_x|codexglue|live_?code|^code", "coding"),
    Rule("evaluation-harness|helm|promptsource", r"spider|sql|wikitable|tab_?fact|conv_fin|table", "data_analysis"),
    Rule("helm|evaluation-harness", r"mmmu|vqa|vista|image|caption|msr_vtt|blink|mscoco|vision|chartqa|mementos|bingo|pope|a_okvqa|flickr|viz_?wiz", "vision"),
    Rule("evaluation-harness", "flores|translat|wmt|ntrex|mafand|opus", "translation"),
    Rule("evaluation-harness|promptsource|helm", "xnli|nli|sentiment|senti|hate|toxic|paws|topic|intent|rte|cola|sst|imdb|agnews|ag_news|dbpedia|yelp|emotion", "classification"),
    Rule("evaluation-harness|promptsource|helm", "xsum|summar|cnn_dailymail|gigaword|ner\\b|masakhaner|samsum|billsum", "extraction"),
    Rule("evaluation-harness|helm|promptsource", r"mmlu|arc|belebele|exam|copal|quality|race|sciq|openbook|include_base|truthful|trivia|squad|boolq|qa|med_|legalbench|_multiple_choice", "question_answering"),
    Rule("langchain|llama", "(?i)sql|dataframe|pandas|table", "data_analysis"),
    Rule("fabric", "^translate$", "translation"),
    Rule("fabric", r"rate_|judge|_grade|arbiter", "rubric_grading"),
)  # fmt: skip

BULK_DEFAULTS = {
    ("translation", ""): "translation", ("classification", ""): "classification", ("moderation", ""): "classification",
    ("extraction", ""): "extraction", ("rag", ""): "question_answering", ("writing", "fabric"): "writing",
    ("agent", "langchain"): "tool_use", ("agent", "llama_index"): "tool_use",
    ("support_bot", "NeMo-Guardrails"): "chat", ("support_bot", "swarm"): "chat", ("support_bot", "langchain"): "chat",
}  # fmt: skip

# Bare prompts: seeds, items and users' own words. What is not named here has no one capability.
PROMPT_CAPABILITIES = {
    ("camel-ai/camel", "role"): None, ("openai/grade-school-math", ""): "reasoning", ("openai/human-eval", ""): "coding",
    ("teknium1/GPTeacher", "coding"): "coding", ("teknium1/GPTeacher", "roleplay"): "roleplay",
    ("teknium1/GPTeacher", "tool_use"): "tool_use", ("banking77", ""): "chat", ("chitchat-dataset", ""): "chat",
    ("realhumaneval", ""): "coding", ("awesome-chatgpt-prompts", "roleplay"): "roleplay",
    ("awesome-chatgpt-prompts", "coding"): "coding", ("awesome-chatgpt-prompts", "image"): "vision",
    ("arena-hard", "coding"): "coding", ("arena-hard", "chat"): "chat", ("mt_bench", "coding"): "coding",
    ("mt_bench", "math"): "reasoning", ("mt_bench", "reasoning"): "reasoning", ("mt_bench", "roleplay"): "roleplay",
    ("mt_bench", "writing"): "writing", ("mt_bench", "extraction"): "extraction", ("mt_bench", "humanities"): "chat",
    ("vicuna", "math"): "reasoning", ("vicuna", "coding"): "coding", ("vicuna", "roleplay"): "roleplay",
    ("vicuna", "writing"): "writing", ("vicuna", "generic"): "chat", ("vicuna", "knowledge"): "chat",
}  # fmt: skip


def teacher_capability(source: str, name: str, given: str) -> str | None:
    """Capability of a teacher template, None where it is left out."""
    for rule in TEACHER_RULES:
        if rule.fits(source, name):
            return rule.capability
    return TEACHER_DEFAULTS[given]


def bulk_capability(source: str, name: str, use: str, is_rubric: bool) -> str | None:
    """Capability of a bulk template, None where it is left out; a judge grades whatever benchmark it belongs to."""
    if is_rubric:
        return "rubric_grading"
    for rule in BULK_RULES:
        if rule.fits(source, name):
            return rule.capability
    return _lookup(BULK_DEFAULTS, use, source)


def _lookup(table: dict[tuple[str, str], str], use: str, source: str) -> str | None:
    for (wanted, part), capability in table.items():
        if wanted == use and part in source:
            return capability
    return None


def prompt_capability(source: str, kind: str) -> str | None:
    """Capability of a bare prompt, None where its source has no one capability."""
    for (part, wanted), capability in PROMPT_CAPABILITIES.items():
        if part in source and wanted in ("", kind):
            return capability
    return None
