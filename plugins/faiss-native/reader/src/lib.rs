/*!
libfaiss in a process of its own: reads an index that comes over a pipe, and gives its records by id.

C++ aborts, runs out of memory and follows wild pointers when an index is damaged; here that ends a process that holds
nothing but the index. Whoever started it sees the pipe close.

```text
library   libfaiss' C interface, made safe to call: the only unsafe code
records   which records an index has, and how each is asked for
serve     requests in, answers out
```
*/

mod library;
mod records;
mod serve;

pub use library::{Failure, Index, Part};
pub use records::Records;
pub use serve::serve;
