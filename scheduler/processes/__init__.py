"""The processes: the services, and the commands that send by themselves."""
