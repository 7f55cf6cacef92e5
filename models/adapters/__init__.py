"""LoRA adapters: their files, and which of them a loaded model holds."""
