"""People and texts that are forgotten: by name, when somebody asks for it, and by age."""
