"""Every act on orders: doors (admin, API, portal, tasks, commands) call these and nothing else."""
