"""The ledger's one adapter: chains on disk, in SQLite, and the lock on a data directory.

This is the only part of the package that does I/O; `import ledger` does not import it.
"""

from ledger.sqlite.lock import DirectoryLock as DirectoryLock
from ledger.sqlite.lock import lock_directory as lock_directory
from ledger.sqlite.store import SqliteStore as SqliteStore
