"""How the files of a hub repository come to this machine: whole, checked, and resumed."""
