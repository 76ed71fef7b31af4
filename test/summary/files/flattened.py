def accuracy_reward(text, reference=None, **kwargs):
 """Check if output matches reference"""
 if reference and text.strip() == reference.strip():
 return 1.0
 return 0.0
