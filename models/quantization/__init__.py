"""Full precision in, GPTQ out, with the loss measured."""
