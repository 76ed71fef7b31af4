def my_math_reward(text, reference=None, **kwargs):
    """
    Custom reward function for math problems.
    Returns 1.0 if the answer contains numbers, 0.0 otherwise.
    """
    has_numbers = any(char.isdigit() for char in text)
    return 1.0 if has_numbers else 0.0


def accuracy_reward(text, reference=None, **kwargs):
    """Check if output matches reference"""
    if reference and text.strip() == reference.strip():
        return 1.0
    return 0.0


def length_penalty(text, reference=None, **kwargs):
    """Penalize overly long responses"""
    max_length = 200
    return max(0.0, 1.0 - (len(text) - max_length) / max_length) if len(text) > max_length else 1.0


def sees_reference(text, reference=None, **kwargs):
    """Not of the summary: what reaches a reward of a mapped row."""
    return 1.0 if "####" in reference and kwargs["question"] in str(kwargs["prompt"]) else 0.0
