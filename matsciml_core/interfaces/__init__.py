"""The four interfaces (Dataset, Encoder, TaskHead, Strategy) and the batch they exchange."""
