"""`/admin/v1`: for keys with the scope `admin`."""
