"""The deciding core: values in, verdicts out. Nothing here does input or output, or reads a clock."""
