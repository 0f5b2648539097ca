"""The database's versions: one plain SQL file each in `versions/`, applied in order by `migrate`.

To add one, write `versions/NNNN_what_it_does.sql`. Never change one that has been released.
"""
