/*!
A decoder for Python pickles, protocols 0 to 5, that can execute nothing.

[`Pickle::load`] runs the pickle's stack machine over a file and keeps a graph of small nodes; texts, bytes,
arrays and floats stay in the file and are read when a [`Node`] is asked for them. Classes and calls are
kept by name: what this crate knows (the standard library's containers and dates, numpy's arrays and
scalars) is read, everything else stays an object whose class, arguments and state can be looked at.

```no_run
# fn example(file: vecferry_sdk::File) -> vecferry_sdk::Result<()> {
use vecferry_pickle_format::{Kind, Limits, Pickle};
let pickle = Pickle::load(file, &Limits::default())?;
let root = pickle.root();
// A dict, or an object whose state holds the attribute.
let labels = if root.kind() == Kind::Dict { root.get("id_to_label")? } else { root.attribute("id_to_label")? };
for (id, label) in labels.into_iter().flat_map(|labels| labels.entries()) {
    let _ = (id.text()?, label.as_i64()?);
}
# Ok(()) }
```

What it is not: an unpickler. It makes no Python objects, imports nothing, calls nothing.

Source of the format: CPython's `Lib/pickle.py`, `Lib/pickletools.py` and `Modules/_pickle.c`.
*/

mod arena;
mod array;
mod audit;
mod blob;
mod calendar;
mod class;
mod document;
mod dtype;
mod fetched;
mod head;
mod input;
mod json;
mod limits;
mod machine;
mod memo;
mod node;
pub mod notes;
mod number;
mod opcode;
mod path;
mod pickle;
mod span;
mod standard;
mod text;
mod value;
mod walk;
mod windows;

pub use array::Array;
pub use audit::Audit;
pub use blob::Blob;
pub use class::Class;
pub use document::Document;
pub use dtype::Element;
pub use head::{HEAD_BYTES, Head};
pub use json::{Json, Member};
pub use limits::Limits;
pub use node::{Handle, Kind, Node};
pub use notes::{Notes, Tally};
pub use number::Integer;
pub use pickle::Pickle;
pub use text::Text;
pub use walk::{Entries, Items, Place};
