/*!
What a run keeps on disk, so that it can be killed at any instruction and go on: its plan, its checkpoints, its dead
letters, and who works on it.

```text
STATE/runs/20261122-214803-k3f9/
    plan.json        what the run was made from; never changed
    state.db         SQLite: cursors, counts, rejected and altered records, digests (see `schema`)
    run.lock         held by the process that works on the run; the kernel releases it when that process ends
    rejected.jsonl   exported: the records that did not arrive
    changed.jsonl    exported: the parts of records that the destination holds otherwise
    receipt.json     exported: what verification found
```

[`StateFolder`] finds and makes runs. A [`Run`] is one that this process works on: it implements the engine's
[`Checkpoint`](vecferry_core::engine::Checkpoint). A [`RunView`] reads one, also while another process works on it.

Invariants:

- **Nothing is half kept.** Every change is one transaction; every exported file appears whole or not at all.
- **One process works on a run.** The lock says who is alive. The fence, a number that grows whenever a run is opened
  for work, is compared in every transaction: a process that lost the run without noticing keeps nothing.
- **Memory does not grow with the run.** Digests, letters and exports are read in blocks.
- **Private.** Folders and files are for their owner alone, since documents may be confidential.
- Nothing here knows an environment variable, a terminal, or where the state folder ought to be.
*/

mod database;
mod fault;
mod files;
mod folder;
mod lease;
mod letters;
mod moment;
mod name;
mod run;
mod schema;
mod view;

pub use folder::{Listed, StateFolder};
pub use lease::Holder;
pub use letters::Exported;
pub use moment::Moment;
pub use run::{Retried, Run};
pub use view::{AlteredRecord, CollectionState, RecordNumber, RejectedRecord, RunSummary, RunView, SplitState, Status};
