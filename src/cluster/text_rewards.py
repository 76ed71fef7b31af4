"""The built-in rewards of AlignTune in the browser, in Python: the same rules, held to the same numbers by its tests.

Each takes its parameters and the longest completion in tokens, and gives a function of one completion:
score(text, ids, reference) -> number, or None where it does not apply.
"""

import json
import math
from collections import Counter

import regex

SPACE = r"\s\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"
WORD = "A-Za-z0-9_"
CLASSES = {"w": WORD, "d": "0-9", "s": " \\t\\n\\v\\f\\r" + SPACE[2:]}
EDGE = f"(?:(?<=[{WORD}])(?![{WORD}])|(?<![{WORD}])(?=[{WORD}]))"


def javascript(pattern, flags=0):
    """A pattern as JavaScript reads it with the flag u: \\w, \\d and \\b know ASCII alone, \\s every space of Unicode."""
    out, inside, i = [], False, 0
    while i < len(pattern):
        sign, following = pattern[i], pattern[i + 1 : i + 2]
        if sign == "\\":
            if following in CLASSES:
                out.append(CLASSES[following] if inside else f"[{CLASSES[following]}]")
            elif following.lower() in CLASSES and not inside:
                out.append(f"[^{CLASSES[following.lower()]}]")
            elif following == "b" and not inside:
                out.append(EDGE)
            elif following == "/":
                out.append("/")
            else:
                out.append(sign + following)
            i += 2
            continue
        if sign == "[" and inside:
            out.append("\\[")
        else:
            out.append(sign)
        if sign == "[" and not inside:
            inside = True
        elif sign == "]" and inside:
            inside = False
        i += 1
    return regex.compile("".join(out), flags | regex.V0)


def trim(text):
    return text.strip(" \t\n\v\f\r\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000\ufeff")


SPACES = javascript(r"\s+")


def words(text):
    return [word for word in SPACES.split(text) if word != ""]


def ngrams(items, n):
    return [tuple(items[i : i + n]) for i in range(max(0, len(items) - n + 1))]


def overlap(a, b):
    return sum((Counter(a) & Counter(b)).values())


# Numbers as people write them.

FRACTION_OF_LATEX = javascript(r"\\[dt]?frac\s*(?:\{([^{}]*)\}\s*\{([^{}]*)\}|(\d)\s*(\d))")
PLAIN = [
    (javascript(r"[\u2212\u2013]"), "-"),
    (javascript(r"[\u00a0\u2009\u202f]"), " "),
    (javascript(r"\\(?:left|right|!|,|;|:|quad|qquad)(?![a-zA-Z])"), ""),
    (javascript(r"\{,\}"), ","),
    (javascript(r"\^\{?\\circ\}?|\\degree|°"), ""),
    (javascript(r"\\(?:text|textbf|mathrm|mathbf|mbox)\s*\{([^{}]*)\}"), r" \1 "),
    (javascript(r"(\d)\s*(?=\\[dt]?frac)"), r"\1 "),
    (FRACTION_OF_LATEX, lambda m: f"{trim(m[1] if m[1] is not None else m[3] or '')}/{trim(m[2] if m[2] is not None else m[4] or '')}"),
    (javascript(r"\\times(?![a-zA-Z])"), "×"),
    (javascript(r"\\cdot(?![a-zA-Z])"), "·"),
    (javascript(r"\\div(?![a-zA-Z])"), "÷"),
    (javascript(r"\\([$%#&])"), r"\1"),
    (javascript(r"\\[()[\]]"), " "),
]


def plain_text(text):
    for pattern, replacement in PLAIN:
        text = pattern.sub(replacement, text)
    return text


DIGITS = r"(?:(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?|\.\d+)(?:[eE][-+]?\d+)?"
NUMBER_IN_TEXT = javascript(r"((?<![\w)\]]|\d\s+)-)?[$€£]?(?<![\w.])(" + DIGITS + r")(?:\s*\/\s*(" + DIGITS + r"))?")
ALONE = javascript(r"^[-+]?\s*[$€£]?\s*[-+]?(" + DIGITS + r")\s*[$€£%]?\s*\.?\Z")
FRACTION = javascript(r"^[-+]?\s*[$€£]?\s*[-+]?(" + DIGITS + r")\s*\/\s*(" + DIGITS + r")\s*%?\s*\.?\Z")
MIXED = javascript(r"^[-+]?\s*(\d+)\s+(\d+)\s*\/\s*(\d+)\Z")
POWER = javascript(r"^[-+]?\s*(" + DIGITS + r")\s*[×·*x]\s*10\s*\^\s*\{?\s*(-?\d+)\s*\}?\Z")


def to_number(digits):
    return float(digits.replace(",", ""))


def divide(a, b):
    return a / b if b != 0 else math.nan


def finite(value):
    return value if math.isfinite(value) else None


def read_number(text):
    """The number that a whole text is; None when it is none."""
    plain = trim(plain_text(text))
    plain = javascript(r"^[*_\"'`]+|[*_\"'`]+\Z").sub("", plain)
    plain = trim(javascript(r"^\$(.*)\$\Z").sub(r"\1", plain))
    sign = -1 if javascript(r"^[^\d.]*-").search(plain) else 1
    if mixed := MIXED.search(plain):
        return finite(sign * (int(mixed[1]) + divide(int(mixed[2]), int(mixed[3]))))
    if power := POWER.search(plain):
        try:
            return finite(sign * to_number(power[1]) * 10.0 ** int(power[2]))
        except OverflowError:
            return None
    if fraction := FRACTION.search(plain):
        return finite(divide(sign * to_number(fraction[1]), to_number(fraction[2])))
    alone = ALONE.search(plain)
    return finite(sign * to_number(alone[1])) if alone else None


def numbers_in(text):
    found = []
    for match in NUMBER_IN_TEXT.finditer(plain_text(text)):
        value = (1 if match[1] is None else -1) * to_number(match[2])
        value = finite(value if match[3] is None else divide(value, to_number(match[3])))
        if value is not None:
            found.append(value)
    return found


def same_number(a, b, tolerance):
    """Whole numbers must be equal; others may be `tolerance` of the larger one apart."""
    if a == int(a) and b == int(b):
        return a == b
    return abs(a - b) <= max(tolerance * max(abs(a), abs(b)), 1e-12)


# Answers.

BOX = javascript(r"\\(?:boxed|fbox)\s*(?=\{)")
HASHES = javascript(r"####[^\S\n]*([^\n]*)".replace(r"[^\S\n]", r"(?:(?!\n)\s)"))
TAG = javascript(r"<answer>([\s\S]*?)<\/answer>".replace(r"[\s\S]", r"(?s:.)"), regex.I)
STATED = javascript(r"\banswer[*_\s]*(?:is|are|was|:|=)[*_: \t]*", regex.I)
STARTS_WITH_NUMBER = javascript(r"^[^\p{L}]*\d")
UNIT_REST = javascript(r"^[\s.,;:!?*_%$€£'\"-]*\Z")
LETTERS = javascript(r"\p{L}{2,}")
SENTENCES = javascript(r"\n|[.!?]\s+\S".replace(r"\S", r"(?!\s)(?s:.)"))


def braced(text, start):
    depth, i = 0, start
    while i < len(text):
        if text[i] == "\\":
            i += 1
        elif text[i] == "{":
            depth += 1
        elif text[i] == "}":
            depth -= 1
            if depth == 0:
                return text[start + 1 : i]
        i += 1
    return None


def marked_answer(text):
    """The answer that a text marks last: after ####, in <answer> tags, or in \\boxed{}."""
    marks = []
    for match in HASHES.finditer(text):
        said = match[1]
        if trim(text[match.end() :]) == "" or STARTS_WITH_NUMBER.search(said):
            marks.append((match.start(), said))
    marks += [(match.start(), match[1]) for match in TAG.finditer(text)]
    for match in BOX.finditer(text):
        inside = braced(text, match.end())
        if inside is not None:
            marks.append((match.start(), inside))
    last = None
    for mark in marks:
        if trim(mark[1]) != "" and (last is None or last[0] <= mark[0]):
            last = mark
    return None if last is None else trim(last[1])


def stated_answer(text):
    said = None
    for said in STATED.finditer(text):
        pass
    if said is None:
        return None
    line = text[said.end() :].split("\n")[0]
    return trim(javascript(r"[.!?](?=\s|\Z)").split(line)[0]) or None


def comparable(text):
    text = SPACES.sub(" ", plain_text(text).lower().replace("$", ""))
    text = regex.sub(r" ?([^\p{L}\p{N} ]) ?", r"\1", text)
    return trim(regex.sub(r"^[\"'`*_]+|[\"'`*_.,;:!?]+\Z", "", text))


def after_equals(text):
    return trim(text[text.rfind("=") + 1 :])


def number_with_unit(text):
    whole = read_number(text)
    if whole is not None:
        return whole
    found = numbers_in(text)
    rest = LETTERS.sub("", NUMBER_IN_TEXT.sub(" ", plain_text(text)))
    return found[0] if len(found) == 1 and UNIT_REST.search(rest) else None


def gold_answer(reference):
    marked = marked_answer(reference)
    text = trim(reference if marked is None else marked)
    if text == "":
        return None
    part = text if marked is None else after_equals(text)
    number = number_with_unit(part) if marked is not None or STARTS_WITH_NUMBER.search(plain_text(part)) else None
    if not (marked is None and number is None and SENTENCES.search(text)):
        return part, number
    stated = stated_answer(text)
    if stated is not None:
        return stated, number_with_unit(after_equals(stated))
    found = numbers_in(text)
    return text, found[-1] if found else None


def is_gold(text, gold, tolerance):
    part = after_equals(text)
    number = None if gold[1] is None else number_with_unit(part)
    if gold[1] is not None and number is not None:
        return same_number(number, gold[1], tolerance)
    return comparable(gold[0]) in (comparable(text), comparable(part))


def is_right_answer(completion, reference, tolerance, marked_only=False):
    gold = None if reference is None else gold_answer(reference)
    if gold is None:
        return None
    text = completion.split("</think>")[-1]
    marked = marked_answer(text)
    if marked is not None:
        return is_gold(marked, gold, tolerance)
    if marked_only:
        return False
    if is_gold(text, gold, tolerance):
        return True
    stated = stated_answer(text)
    if gold[1] is None:
        return stated is not None and is_gold(stated, gold, tolerance)
    number = None
    if stated is not None:
        part = after_equals(stated)
        number = number_with_unit(part)
        if number is None:
            number = next(iter(numbers_in(part)), None)
    if number is None:
        found = numbers_in(text)
        number = found[-1] if found else None
    return number is not None and same_number(number, gold[1], tolerance)


# Arithmetic.

TOKEN = javascript(r"\s*(?:((?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?|\.\d+)|(\*\*|[-+*\/^()%]))")
MOST_TOKENS = 100


def tokens_of(text):
    source = trim(text.replace("×", "*").replace("·", "*").replace("÷", "/").replace("$", ""))
    found, at = [], 0
    while at < len(source):
        match = TOKEN.match(source, at)
        if match is None or len(found) >= MOST_TOKENS:
            return None
        found.append(to_number(match[1]) if match[1] is not None else match[2])
        at = match.end()
    return found


class Reader:
    """Recursive descent over one list of tokens; nan for what is no expression."""

    def __init__(self, items):
        self.items, self.at = items, 0

    def whole(self):
        value = self.sum()
        return value if self.at == len(self.items) else math.nan

    def take(self, *signs):
        following = self.items[self.at] if self.at < len(self.items) else None
        if isinstance(following, str) and following in signs:
            self.at += 1
            return following
        return None

    def sum(self):
        value = self.product()
        while sign := self.take("+", "-"):
            value = value + self.product() if sign == "+" else value - self.product()
        return value

    def product(self):
        value = self.signed()
        while sign := self.take("*", "/"):
            value = value * self.signed() if sign == "*" else divide(value, self.signed())
        return value

    def signed(self):
        if self.take("-"):
            return -self.signed()
        return self.signed() if self.take("+") else self.power()

    def power(self):
        base = self.share()
        if not self.take("^", "**"):
            return base
        try:
            value = base ** self.signed()
            return value if isinstance(value, float) else math.nan
        except (OverflowError, ZeroDivisionError):
            return math.nan

    def share(self):
        value = self.atom()
        while self.take("%"):
            value /= 100
        return value

    def atom(self):
        following = self.items[self.at] if self.at < len(self.items) else None
        if isinstance(following, float):
            self.at += 1
            return following
        if not self.take("("):
            return math.nan
        value = self.sum()
        return value if self.take(")") else math.nan


def evaluate(text):
    items = tokens_of(text)
    return finite(Reader(items).whole()) if items else None


OPERATION = javascript(r"[\d)%]\s*[-+*\/×·÷^]")
BULLET = javascript(r"^(?:(?!\n)\s)*(?:[-*•]|\d+[.)])(?:(?!\n)\s)+", regex.M)
TIMES = javascript(r"(?<=\d)\s*x\s*(?=[\d$(])")
CHUNK = javascript(r"[-+*\/×·÷^()%$\d.,= \t]+")


def equations_in(text):
    lines = TIMES.sub("×", BULLET.sub("", plain_text(text)))
    found = []
    for chunk in CHUNK.findall(lines):
        for chain in javascript(r"[.,](?=\s|\Z)").split(chunk):
            sides = [(evaluate(side), OPERATION.search(side) is not None) for side in chain.split("=")]
            for (left, operates), (right, also) in zip(sides, sides[1:]):
                if left is not None and right is not None and (operates or also):
                    found.append((left, right))
    return found


# The rewards.


def accuracy(params, _):
    def score(text, ids, reference):
        right = is_right_answer(text, reference, params["tolerance"], params["marked_only"])
        return None if right is None else float(right)

    return score


def math_correctness(params, _):
    def score(text, ids, reference):
        equations = equations_in(text)
        right = [1 for a, b in equations if abs(a - b) <= params["tolerance"]]
        return len(right) / len(equations) if equations else 0.0

    return score


STEPS = [
    javascript(rf"\b{word}\b", regex.I)
    for word in "first second next then finally therefore thus hence because since step".split()
]
UNITS = javascript(
    r"\$|%|\b(?:dollars?|cents?|percent|hours?|minutes?|seconds?|days?|weeks?|years?|miles?|km|kilomet\w+|met(?:er|re)s?|cm|feet|inch(?:es)?|kg|grams?|pounds?|lit(?:er|re)s?|degrees?)\b",
    regex.I,
)


def reasoning(text):
    steps = sum(1 for word in STEPS if word.search(text))
    sentences = sum(1 for part in text.split(".") if trim(part) != "")
    return (
        (0.4 if steps >= 2 else steps * 0.2)
        + (0.3 if javascript(r"[\d+*\/=×÷]").search(text) else 0)
        + (0.2 if sentences >= 3 else 0)
        + (0.1 if javascript(r"\b(?:answer|result|solution|total)\b", regex.I).search(text) else 0)
    )


def form(text):
    every = words(text.lower())
    return (
        (0.2 if javascript(r"\\[a-zA-Z]+|\$[^$\n]+\$").search(text) else 0)
        + (0.3 if javascript(r"\d\s*[-+*\/×÷]\s*\d").search(text) else 0)
        + (0.2 if "=" in text else 0)
        + min(0.2, 0.1 * len(UNITS.findall(text)))
        + (0.1 if len(set(every)) > len(every) / 2 else 0)
    )


def math_reasoning(params, _):
    def score(text, ids, reference):
        right = is_right_answer(text, reference, 1e-6) if params["check_correctness"] else None
        parts = [] if right is None else [float(right)]
        if params["check_reasoning"]:
            parts.append(reasoning(text))
        if params["check_format"]:
            parts.append(form(text))
        return sum(parts) / len(parts) if parts else None

    return score


def length(params, _):
    measure = {
        "words": lambda text, ids: len(words(text)),
        "tokens": lambda text, ids: len(ids),
        "characters": lambda text, ids: len(text),
    }[params["unit"]]
    target = params["target_length"]

    def score(text, ids, reference):
        size = measure(text, ids)
        if target is not None:
            return max(0.0, 1 - abs(size - target) / max(target, 100))
        return float(params["min_length"] <= size <= params["max_length"])

    return score


def is_in_order(text, tags):
    rest = trim(text)
    for tag in tags:
        end = rest.find(f"</{tag}>")
        if not rest.startswith(f"<{tag}>") or end < 0:
            return False
        rest = rest[end + len(tag) + 3 :].lstrip()
    return rest == ""


def format_reward(params, _):
    tags = params["tags"]

    def score(text, ids, reference):
        once = [tag for tag in tags if text.count(f"<{tag}>") == 1 and text.count(f"</{tag}>") == 1]
        if params["partial"]:
            return len(once) / len(tags)
        return float(len(once) == len(tags) and is_in_order(text, tags))

    return score


def think_format(params, _):
    def score(text, ids, reference):
        rest = text[len("<think>") :] if text.startswith("<think>") else None
        return float(rest is not None and "</think>" in rest and "<think>" not in rest)

    return score


def pattern_reward(params, _):
    source = params["pattern"]
    inline = regex.match(r"\(\?([aimsux]+)\)", source)
    letters = inline[1] if inline else ""
    found = javascript(
        (source[inline.end() :] if inline else source).replace("(?<", "(?P<").replace("(?P<=", "(?<=").replace("(?P<!", "(?<!"),
        (regex.I if params["ignore_case"] or "i" in letters else 0)
        | (regex.M if "m" in letters else 0)
        | (regex.S if "s" in letters else 0),
    )

    def score(text, ids, reference):
        return float((found.fullmatch(text) if params["full_match"] else found.search(text)) is not None)

    return score


FENCE = javascript(r"^```(?:json)?(?:(?!\n)\s)*\n((?s:.)*?)\n?```\Z", regex.I)


def json_valid(params, _):
    def refuse(word):
        raise ValueError(word)

    def score(text, ids, reference):
        text = trim(text)
        fenced = FENCE.search(text) if params["allow_fence"] else None
        try:
            value = json.loads(fenced[1] if fenced else text, parse_constant=refuse)
        except (ValueError, RecursionError):
            return 0.0
        keys = params["required_keys"]
        return float(not keys or (isinstance(value, dict) and all(key in value for key in keys)))

    return score


def cosine_scaled(params, longest):
    full = params["max_len"] if params["max_len"] is not None else longest

    def score(text, ids, reference):
        right = is_right_answer(text, reference, params["tolerance"])
        if right is None:
            return None
        start, end = (
            (params["max_value_correct"], params["min_value_correct"])
            if right
            else (params["min_value_wrong"], params["max_value_wrong"])
        )
        return end + 0.5 * (start - end) * (1 + math.cos(math.pi * min(1, len(ids) / full)))

    return score


def repetition_penalty(params, _):
    def score(text, ids, reference):
        every = ngrams(words(text.lower()) if params["unit"] == "words" else list(ids), params["ngram_size"])
        different = len(set(every))
        return 0.0 if different == len(every) else (1 - different / len(every)) * params["max_penalty"]

    return score


def soft_overlong_punishment(params, longest):
    limit = params["max_completion_len"] if params["max_completion_len"] is not None else longest
    margin = params["soft_punish_cache"] if params["soft_punish_cache"] is not None else limit // 5

    def score(text, ids, reference):
        over = len(ids) - (limit - margin)
        if over <= 0:
            return 0.0
        return -1.0 if over > margin else -over / margin

    return score


def contains(params, _):
    def score(text, ids, reference):
        def fold(part):
            return part.lower() if params["ignore_case"] else part

        marked = None if reference is None else marked_answer(reference)
        answer = "" if reference is None else trim(reference if marked is None else marked)
        wanted = params["values"] or [part for part in [answer] if part != ""]
        if not wanted:
            return None
        found = sum(1 for part in wanted if fold(part) in fold(text))
        if params["mode"] == "share":
            return found / len(wanted)
        return float(found > 0 if params["mode"] == "any" else found == len(wanted))

    return score


def bleu(params, _):
    from sacrebleu import sentence_bleu

    def score(text, ids, reference):
        if reference is None or trim(reference) == "":
            return None
        return sentence_bleu(text, [reference]).score / 100

    return score


def stems():
    from nltk.stem.porter import PorterStemmer

    return PorterStemmer()


def rouge(params, _):
    stemmer = stems() if params["use_stemmer"] else None
    kind = params["rouge_type"]

    def tokens(text):
        plain = words(regex.sub(r"[^\p{L}\p{N}]+", " ", text.lower()))
        if stemmer is None:
            return plain
        return [stemmer.stem(word) if len(word) > 3 and regex.fullmatch(r"[a-z0-9]+", word) else word for word in plain]

    def common(a, b):
        row = [0] * (len(b) + 1)
        for word in a:
            diagonal = 0
            for j, other in enumerate(b, 1):
                above = row[j]
                row[j] = diagonal + 1 if word == other else max(above, row[j - 1])
                diagonal = above
        return row[-1]

    def score(text, ids, reference):
        if reference is None or trim(reference) == "":
            return None
        own, other = tokens(text), tokens(reference)
        if kind != "rougeL":
            n = 1 if kind == "rouge1" else 2
            own, other = ngrams(own, n), ngrams(other, n)
        shared = common(own, other) if kind == "rougeL" else overlap(own, other)
        return 2 * shared / (len(own) + len(other)) if own or other else 0.0

    return score


REWARDS = {
    "accuracy": accuracy,
    "math_correctness": math_correctness,
    "math_reasoning": math_reasoning,
    "length": length,
    "format": format_reward,
    "think_format": think_format,
    "regex": pattern_reward,
    "json_valid": json_valid,
    "cosine_scaled": cosine_scaled,
    "repetition_penalty": repetition_penalty,
    "soft_overlong_punishment": soft_overlong_punishment,
    "contains": contains,
    "bleu": bleu,
    "rouge": rouge,
}
