"""One PostgreSQL, embedded or given by URL, and the ways to write to it safely.

Owns the engine, the embedded server and its data folder, migrations, the group commit and the job queue. Decides
nothing about what is stored: every table but the migration's own belongs to a room above.

Invariants: one process owns a data folder; a writer is answered after its commit, never before; one bad item of a batch
fails alone; a queue has a limit.
"""
