"""What encoders and heads build on: graphs of messages, reductions over segments, dense stacks."""
