def preprocess_function(example):
 """Transform raw data into the required format"""
 return {
 "prompt": example["question"],
 "chosen": example["answer"],
 "rejected": "None, 0"
 }
