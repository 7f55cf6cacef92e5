"""`python -m graphs.tenants`: which tenants there are, and the end of one."""
