/*! The native border: `repr(C)` tables, the size first, append-only. */
