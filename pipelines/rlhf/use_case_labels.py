"""What sources call their use cases, in the ten categories of InstructGPT's Table 1.

Declared, not learned: a label that stands here means the same in every source; one that does not is no label. The
sources are BELLE's evaluation set (`class`), Auto-J (58 scenarios) and the names of the Self-Instruct seed tasks.
Mathematics has no category of its own in the paper: a problem to solve is "other", as are planning and role-less
tasks; code that is to be written is generation, code that is to be changed is rewrite.
"""

import pyarrow as pa
import pyarrow.compute as pc

USE_CASES = (
    "generation",
    "open_qa",
    "brainstorming",
    "chat",
    "rewrite",
    "summarization",
    "classification",
    "other",
    "closed_qa",
    "extract",
)

# Labels by category, written as `_plain` leaves them.
_LABELS: dict[str, str] = {
    "generation": """
        generation, code, code generation, question generation, writing scientific paper, writing biography,
        writing blog post, title generation, writing technical document, writing marketing materials,
        writing presentation script, writing product description, writing news article, writing job application,
        writing personal essay, writing cooking recipe, writing advertisement, writing email, functional writing,
        writing legal document, creative writing, writing social media post, writing song lyrics,
        english haiku generation, email subject generation, cooking recipe, story composition, cover letter,
        horror movie opening, three sentence story, knock knock joke, dad joke intensified, refuse invitation email,
        decline a job offer email, recommendation letter, product description generation, negative blender review,
        regular expression generation, text to sql, python code generation, complete python code, code todo,
        htlm task, program for summation, code for bitcoin price, javascript date and time, python leetcode,
        writing article from outline, complete the lyrics, complete paragraph, movie ending, paper title generation,
        sentence with specified ending, question answering generation from facts, datatuner example,
        population table generation
    """,
    "open_qa": """
        open qa, open question, value judgement, verifying fact, explaining general, analyzing general,
        explaining code, counterfactual, asking how to question, seeking advice,
        solving exam question without math, interview question answering, idiom meaning, medicine suggestion,
        explain behavior, explain without background, perfect numbers, exercise explanation, word definition,
        explain natural phenomenon, explain like i am 5, national dishes, proverbs, color explanation,
        explain social stereotypes of professions, stereotype explanation, ask for law, sue or not,
        brainstorming method explanation, science cannot explain, sports coach qualifications,
        question answering, question answering with template
    """,
    "brainstorming": """
        brainstorming, recommendation, planning, breakfast suggestion, new year s resolutions, movie recommendation,
        game suggestion, grocery list, birthday planning checklist, school lunches, snack suggestion, plan a trip,
        city todo list, coach planning, suggestion for breaking up, part time job pros and cons, new ice cream,
        de stress list, cocktails, add to the list, reducing belly fat exercises, pre run warmup, plan syllabus,
        recipe by ingredient
    """,
    "chat": "chat, chitchat, roleplay, start conversation, chat response, fact to conversation",
    "rewrite": """
        rewrite, text correction, language polishing, text simplification, instructional rewriting,
        text to text translation, paraphrasing, code correction rewriting, code to code translation,
        code simplification, grammar error correction, correct misspelling, better word choice,
        paraphrase a paragraph, plain to professional, gender neutral rewriting, dialect translation,
        english to chinese translation, anonymizing human names, reduce unconscious bias, learn to hedge,
        write comments in python
    """,
    "summarization": """
        summarization, post summarization, text summarization, note summarization, summarizing news,
        paper summarization, summarize email
    """,
    "classification": """
        classification, classification identification, topic modeling, ranking, pos tag for word,
        paraphrasing classification, toxic sentence detection, ethicality judgement, job suitableness,
        passive aggressiveness identification, topic classification, sentence sentiment, code syntax error,
        user intent identification, spam classification, promotion identification, support classification,
        news impact on stock, news categories multi labels, dialogue satisfaction, hate speech detection,
        democrats or republicans, gender bias identification
    """,
    "other": """
        other, others, math, math reasoning, solving exam question with math, data analysis, fun math question,
        find subset of numbers with target sum, solving equation, measurement conversion, temperature conversion,
        math word problem with reasoning, solving math problem, solve equation system, word math with algebra,
        ascending sorting, chess puzzle
    """,
    "closed_qa": """
        closed qa, reading comprehension, numerical question answering
    """,
    "extract": """
        extract, information extraction, keywords extraction, extract country names, place extraction,
        dependency parsing, entity linking to wikipedia, finding toxic words, word location in text,
        sentence pos tagging
    """,
}


def _plain(labels: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """Lower case, and one space in place of whatever is neither letter nor digit."""
    lowered = pc.utf8_lower(labels.cast(pa.string()))
    return pc.utf8_trim(pc.replace_substring_regex(lowered, r"[^\pL\pN]+", " "), characters=" ")


_CATEGORY = {label.strip(): case for case, labels in _LABELS.items() for label in labels.split(",")}
_CATEGORY |= {" ".join(label.split()): case for label, case in _CATEGORY.items()}
_CATEGORY |= {case.replace("_", " "): case for case in USE_CASES}
_NAMES = pa.array(list(_CATEGORY), pa.string())
_CASES = pa.array(list(_CATEGORY.values()), pa.string())


def canonical(labels: pa.Array | pa.ChunkedArray) -> pa.StringArray:
    """The category of each source's label; null for null and for a label that is not declared.

    >>> canonical(pa.array(["closed\\xa0qa", "writing_email", "Open QA", "poetry slam"])).to_pylist()
    ['closed_qa', 'generation', 'open_qa', None]
    """
    found = _CASES.take(pc.index_in(_plain(labels), value_set=_NAMES))
    return found.combine_chunks() if isinstance(found, pa.ChunkedArray) else found
