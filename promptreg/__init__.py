"""PromptReg: register images by searching corresponding prompts."""

__version__ = "0.1.0"
