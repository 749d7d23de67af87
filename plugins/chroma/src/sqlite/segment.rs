/*!
A vector segment: the folder `<segment uuid>/` with an hnswlib index and `index_metadata.pickle`, which says which id
has which label (`PersistentData` in `chromadb/segment/impl/vector/local_persistent_hnsw.py`; a plain dict since 1.0).

The folder counts only once the pickle is there: Chroma makes the other files, with empty slots, before the index was
ever saved.
*/

use std::collections::HashSet;

use vecferry_hnswlib_format::{Index, Labels, Wanted};
use vecferry_pickle_format::{Kind, Limits, Node, Pickle};
use vecferry_sdk::{Error, ErrorKind, Host, Result};

use super::catalog::{Entry, Segment};
use super::ids::IdTable;
use super::space::Space;
use crate::detect::folder_of;

/// What of a segment could be read.
#[derive(Default)]
pub(crate) struct VectorSegment {
    pub(crate) index: Option<Index>,
    /// Labels of the ids that the index holds.
    pub(crate) labels: IdTable<u32>,
    slots: Labels,
    /// Rows of the log up to here are in the index; `None` when that is not known because of damage.
    pub(crate) applied: Option<i64>,
    /// Why some or all vectors cannot be read.
    pub(crate) problem: Option<Error>,
}

/// Memory for the graph of `index_metadata.pickle`, half of what a guest has: ten million ids take it.
const PICKLE_BYTES: u64 = 512 << 20;

/// Below every sequence number: `min_seqid` in `chromadb/db/mixins/embeddings_queue.py`.
const BEFORE_ALL: i64 = -1;

impl VectorSegment {
    /// Reads a collection's segment, if it has files. Damage is kept in [`VectorSegment::problem`].
    ///
    /// # Errors
    /// When a file cannot be read at all; `unsupported` for segments that are not local.
    pub(crate) fn open(host: &Host, database: &str, entry: &Entry) -> Result<VectorSegment> {
        let Some(segment) = &entry.vector_segment else {
            return Ok(VectorSegment { applied: Some(BEFORE_ALL), ..VectorSegment::default() });
        };
        let recorded = segment.applied;
        let mut out = VectorSegment { applied: Some(recorded.unwrap_or(BEFORE_ALL)), ..VectorSegment::default() };
        if !segment.has_files()? {
            return Ok(out);
        }
        let files = SegmentFiles::find(host, database, &segment.id)?;
        if !files.has("index_metadata.pickle") {
            // Chroma records how far the index came only after it saved the pickle.
            out.problem = recorded.map(|sequence| {
                Error::corrupt(
                    "chroma/index-missing",
                    format!("the index was saved (up to row {sequence} of the log), but its files are gone"),
                )
                .at("file", files.name("index_metadata.pickle"))
            });
            return Ok(out);
        }
        let ids = match read_ids(&files) {
            Ok(ids) => ids,
            Err(error) => {
                out.problem = Some(damage_only(error)?);
                out.applied = recorded;
                return Ok(out);
            }
        };
        // The row wins: since 0.5 the pickle's number is not written any more, and may be stale.
        out.applied = Some(recorded.or(ids.applied).unwrap_or(BEFORE_ALL));
        out.labels = ids.labels;
        if out.labels.len() > 0 {
            match open_index(&files, entry, ids.dimension) {
                Ok((index, slots)) => {
                    out.problem = slots.first_damage.clone();
                    (out.index, out.slots) = (Some(index), slots);
                }
                Err(error) => out.problem = Some(damage_only(error)?),
            }
        }
        Ok(out)
    }

    /// Where the vector of a label is.
    pub(crate) fn slot(&self, label: u32) -> Option<Wanted> {
        self.slots.slot(label).map(|slot| Wanted { slot, label })
    }
}

/// Passes errors that say that the data is at fault, and fails with others.
fn damage_only(error: Error) -> Result<Error> {
    match error.kind {
        ErrorKind::Corrupt | ErrorKind::NotFound | ErrorKind::Unsupported => Ok(error),
        _ => Err(error),
    }
}

/// The files of a segment's folder.
pub(crate) struct SegmentFiles<'a> {
    host: &'a Host,
    folder: String,
    present: HashSet<String>,
}

impl<'a> SegmentFiles<'a> {
    /// The files of segment `id` beside `database`.
    ///
    /// # Errors
    /// When the store cannot be listed.
    pub(crate) fn find(host: &'a Host, database: &str, id: &str) -> Result<Self> {
        let folder = format!("{}{id}/", folder_of(database));
        let listed = host.list_files()?.into_iter();
        let present = listed.filter_map(|file| file.name.strip_prefix(&folder).map(str::to_owned)).collect();
        Ok(SegmentFiles { host, folder, present })
    }

    /// Whether a file is there.
    pub(crate) fn has(&self, file: &str) -> bool {
        self.present.contains(file)
    }

    /// The store's name of a file.
    pub(crate) fn name(&self, file: &str) -> String {
        format!("{}{file}", self.folder)
    }

    fn open(&self, file: &str) -> Result<vecferry_sdk::File> {
        self.host.open_file(&self.name(file))
    }
}

/// What `index_metadata.pickle` holds.
struct Ids {
    labels: IdTable<u32>,
    dimension: Option<u32>,
    applied: Option<i64>,
}

fn read_ids(files: &SegmentFiles<'_>) -> Result<Ids> {
    let limits = Limits { memory: PICKLE_BYTES, ..Limits::default() };
    let pickle = Pickle::load(files.open("index_metadata.pickle")?, &limits)?;
    let root = pickle.root();
    let wrong = |node: Node<'_>, message: String| node.error(ErrorKind::Corrupt, "chroma/index-metadata", message);
    let field = |name: &str| match root.kind() {
        Kind::Dict => root.get(name),
        _ => root.attribute(name),
    };
    let known = match root.kind() {
        Kind::Dict => true,
        Kind::Object => {
            root.class().is_some_and(|class| class.name == "PersistentData" && class.module.starts_with("chromadb."))
        }
        _ => false,
    };
    if !known {
        return Err(wrong(root, format!("an index's metadata should stand here, not {}", root.describe()))
            .hint("the file did not come from Chroma; nothing in it was executed"));
    }
    let number = |name: &str| field(name)?.map_or(Ok(None), Node::as_i64);
    let dimension = match number("dimensionality")? {
        None => None,
        Some(value) => Some(u32::try_from(value).map_err(|_| wrong(root, format!("its dimension is {value}")))?),
    };
    let applied = number("max_seq_id")?;
    let map = field("id_to_label")?.ok_or_else(|| wrong(root, "it has no id_to_label".to_owned()))?;
    if map.kind() != Kind::Dict {
        return Err(wrong(map, format!("a dict from ids to labels should stand here, not {}", map.describe())));
    }
    let mut labels = IdTable::default();
    for (id, label) in map.entries() {
        let number = label.as_i64()?.and_then(|number| u32::try_from(number).ok());
        let number =
            number.ok_or_else(|| wrong(label, format!("a label should stand here, not {}", label.describe())))?;
        let text = id.text()?.ok_or_else(|| wrong(id, format!("an id should stand here, not {}", id.describe())))?;
        labels.push(&text.string, number)?;
    }
    labels.sort();
    Ok(Ids { labels, dimension, applied })
}

fn open_index(files: &SegmentFiles<'_>, entry: &Entry, of_pickle: Option<u32>) -> Result<(Index, Labels)> {
    let lengths = match entry.settings.space {
        Space::Cosine => Some(files.open("length.bin")?),
        _ => None,
    };
    let index = Index::open(&files.open("header.bin")?, files.open("data_level0.bin")?, lengths)?;
    let dimension = index.header().dimension;
    for (other, where_from) in [(entry.dimension, "the collection"), (of_pickle, "index_metadata.pickle")] {
        if other.is_some_and(|other| other != dimension) {
            return Err(Error::corrupt(
                "chroma/dimension",
                format!("the index has {dimension} dimensions, {where_from} says {}", other.unwrap_or_default()),
            )
            .at("file", files.name("header.bin")));
        }
    }
    let labels = index.labels()?;
    Ok((index, labels))
}

impl SegmentFiles<'_> {
    /// What is wrong with the files as far as their names and sizes tell.
    pub(crate) fn damage(&self, segment: &Segment) -> Option<String> {
        if !self.has("index_metadata.pickle") {
            return segment.applied.map(|_| "the files of the index are gone".to_owned());
        }
        let index =
            self.open("header.bin").and_then(|header| Index::open(&header, self.open("data_level0.bin")?, None));
        index.and_then(|index| index.check_complete()).err().map(|error| error.to_string())
    }
}
