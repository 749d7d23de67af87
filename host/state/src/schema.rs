/*!
The tables of `state.db`, version 1.

```text
run(plan_sha256, created, updated, status, error, fence, takeovers, process, since)   one row
targets(target, before)                          records that a target held before the run
collections(number, store, collection, C)        what was done of each collection, retries included
splits(collection, split, cursor, pages, C)      what was done of each split, retries not included
changes(code, records)                           what was made to fit
rejected(number, collection, target, id, reason, at_destination, row)
altered(number, collection, target, id, field, code)
ids(page, digests)                               in the order of the commits
documents(page, collection, digests)             in the order of the commits
```

- C: `found`, `duplicates`, `embedded`, `migrated`, `rejected`.
- Times are milliseconds since 1970. `error` and `reason` are errors of the contract as JSON. `row` is a batch of one
  row in postcard's format, floats in this machine's byte order: a change of the contract's batch is a new version.
- `digests` are 16 bytes each, one after the other, those of a page in one BLOB.
- `fence` grows whenever the run is opened for work; `process` and `since` say who does, and are NULL when nobody does
  or the last one ended properly. Whether that process lives is said by `run.lock` alone.
- The file carries [`APPLICATION_ID`] and, as `user_version`, [`VERSION`].
*/

/// "vfst" in the file's header, bytes 68 to 71, big-endian (sqlite.org/fileformat2.html).
pub(crate) const APPLICATION_ID: i64 = 0x7666_7374;
/// The version of the tables, kept as `user_version`: bytes 60 to 63.
pub(crate) const VERSION: i64 = 1;

/// Makes an empty database of this version, but for the row of `run`.
pub(crate) const CREATE: &str = "
    PRAGMA application_id = 1986425716;
    PRAGMA user_version = 1;
    CREATE TABLE run (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        plan_sha256 TEXT NOT NULL,
        created INTEGER NOT NULL,
        updated INTEGER NOT NULL,
        status TEXT NOT NULL,
        error TEXT,
        fence INTEGER NOT NULL,
        takeovers INTEGER NOT NULL,
        process INTEGER,
        since INTEGER
    ) STRICT;
    CREATE TABLE targets (
        target TEXT PRIMARY KEY,
        before INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE collections (
        number INTEGER PRIMARY KEY,
        store TEXT NOT NULL,
        collection TEXT NOT NULL,
        found INTEGER NOT NULL,
        duplicates INTEGER NOT NULL,
        embedded INTEGER NOT NULL,
        migrated INTEGER NOT NULL,
        rejected INTEGER NOT NULL,
        UNIQUE (store, collection)
    ) STRICT;
    CREATE TABLE splits (
        collection INTEGER NOT NULL,
        split TEXT NOT NULL,
        cursor BLOB NOT NULL,
        pages INTEGER NOT NULL,
        found INTEGER NOT NULL,
        duplicates INTEGER NOT NULL,
        embedded INTEGER NOT NULL,
        migrated INTEGER NOT NULL,
        rejected INTEGER NOT NULL,
        PRIMARY KEY (collection, split)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE changes (
        code TEXT PRIMARY KEY,
        records INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE rejected (
        number INTEGER PRIMARY KEY,
        collection INTEGER NOT NULL,
        target TEXT NOT NULL,
        id TEXT NOT NULL,
        reason TEXT NOT NULL,
        at_destination INTEGER NOT NULL,
        row BLOB
    ) STRICT;
    CREATE TABLE altered (
        number INTEGER PRIMARY KEY,
        collection INTEGER NOT NULL,
        target TEXT NOT NULL,
        id TEXT NOT NULL,
        field TEXT NOT NULL,
        code TEXT NOT NULL
    ) STRICT;
    CREATE TABLE ids (
        page INTEGER PRIMARY KEY,
        digests BLOB NOT NULL
    ) STRICT;
    CREATE TABLE documents (
        page INTEGER PRIMARY KEY,
        collection INTEGER NOT NULL,
        digests BLOB NOT NULL
    ) STRICT;";
