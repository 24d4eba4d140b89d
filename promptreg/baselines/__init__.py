"""Registration methods beside PromptReg; find them through `promptreg.registry`."""
