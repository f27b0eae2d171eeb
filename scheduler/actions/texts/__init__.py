"""Single texts: those that programs ask for, answers to what people wrote, tests."""
