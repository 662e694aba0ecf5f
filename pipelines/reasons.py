"""Why a document is in the corpus or not: a closed list in the order of the recipe."""

from enum import StrEnum


class Reason(StrEnum):
    """Why a document is in the corpus or not; the drops stand in the order in which the recipe has them.

    Those from gopher_word_count to fineweb_list are the rules of `quality.rules` and have their names.
    """

    REPEATED = "repeated"
    BLOCKED_ADDRESS = "blocked_address"
    TOO_SHORT = "too_short"
    LANGUAGE = "language"
    LANGUAGE_UNCERTAIN = "language_uncertain"
    GOPHER_WORD_COUNT = "gopher_word_count"
    GOPHER_MEAN_WORD_LENGTH = "gopher_mean_word_length"
    GOPHER_HASHES = "gopher_hashes"
    GOPHER_ELLIPSES = "gopher_ellipses"
    GOPHER_BULLET_LINES = "gopher_bullet_lines"
    GOPHER_ELLIPSIS_LINES = "gopher_ellipsis_lines"
    GOPHER_ALPHABETIC_WORDS = "gopher_alphabetic_words"
    GOPHER_STOP_WORDS = "gopher_stop_words"
    GOPHER_DUP_PARAGRAPHS = "gopher_dup_paragraphs"
    GOPHER_DUP_PARAGRAPH_CHARS = "gopher_dup_paragraph_chars"
    GOPHER_DUP_LINES = "gopher_dup_lines"
    GOPHER_DUP_LINE_CHARS = "gopher_dup_line_chars"
    GOPHER_TOP_2GRAM = "gopher_top_2gram"
    GOPHER_TOP_3GRAM = "gopher_top_3gram"
    GOPHER_TOP_4GRAM = "gopher_top_4gram"
    GOPHER_DUP_5GRAM = "gopher_dup_5gram"
    GOPHER_DUP_6GRAM = "gopher_dup_6gram"
    GOPHER_DUP_7GRAM = "gopher_dup_7gram"
    GOPHER_DUP_8GRAM = "gopher_dup_8gram"
    GOPHER_DUP_9GRAM = "gopher_dup_9gram"
    GOPHER_DUP_10GRAM = "gopher_dup_10gram"
    C4_LOREM_IPSUM = "c4_lorem_ipsum"
    C4_CURLY_BRACKET = "c4_curly_bracket"
    C4_SENTENCES = "c4_sentences"
    FINEWEB_EMPTY = "fineweb_empty"
    FINEWEB_LINE_PUNCT = "fineweb_line_punct"
    FINEWEB_SHORT_LINES = "fineweb_short_lines"
    FINEWEB_CHAR_DUP = "fineweb_char_dup"
    FINEWEB_LIST = "fineweb_list"
    LISTED_WORDS = "listed_words"
    TOXICITY = "toxicity"
    MACHINE_WRITTEN = "machine_written"
    PERPLEXITY = "perplexity"
    PERSONAL_DATA = "personal_data"
    QUALITY = "quality"
    EXACT_DUPLICATE = "exact_duplicate"
    NEAR_DUPLICATE = "near_duplicate"
    PASSAGES = "passages"
    TOO_MANY_PIECES = "too_many_pieces"
    CONTAMINATED = "contaminated"
    KEPT = "kept"


REASONS = list(Reason)
