/*!
The docstore: where each node's JSON stands, and the text and metadata of one.

Memory: 16 bytes a node. A node's id and content are read from the file when they are wanted.
*/

use vecferry_sdk::{Error, ErrorKind, File, Reader, Result, metadata_object};

use crate::entries::{Entry, entry, keep_last};
use crate::json::{FileScanner, Scanner, mend};
use crate::notes::Notes;

/// Bytes read at a time: nodes may be wanted in another order than they stand in.
const BLOCK: u32 = 64 * 1024;

/// What a node holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) id: String,
    pub(crate) text: Option<String>,
    /// One JSON object, as it stands in the file.
    pub(crate) metadata: String,
    pub(crate) notes: Notes,
}

pub(crate) struct Docstore {
    file: File,
    scanner: FileScanner,
    entries: Vec<Entry>,
    /// Why the file could not be read to its end.
    damage: Option<Error>,
}

impl Docstore {
    /// Finds the nodes of a docstore file. With `whole_ones` a damaged file gives those that stand before the damage.
    ///
    /// # Errors
    /// `corrupt`.
    pub(crate) fn open(file: File, whole_ones: bool) -> Result<Docstore> {
        let mut scanner = Scanner::new(Reader::new(file.clone()));
        let mut entries = Vec::new();
        let damage = match find_nodes(&mut scanner, &mut entries) {
            Ok(()) => None,
            Err(error) if whole_ones && error.kind == ErrorKind::Corrupt => Some(error),
            Err(error) => return Err(error),
        };
        keep_last(&mut entries, &mut scanner)?;
        let scanner = Scanner::new(Reader::with_block(file.clone(), BLOCK));
        Ok(Docstore { file, scanner, entries, damage })
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn damage(&self) -> Option<&Error> {
        self.damage.as_ref()
    }

    /// Where the `at`-th node stands; in the file's order until [`Docstore::sort`].
    pub(crate) fn offset(&self, at: usize) -> Option<u64> {
        self.entries.get(at).map(|entry| entry.offset)
    }

    /// Makes [`Docstore::find`] work.
    pub(crate) fn sort(&mut self) {
        self.entries.sort_unstable();
    }

    /// Where the node stands whose id has this digest; `id` is asked for only if several have it. Whoever reads the
    /// node must see whether the id is the right one.
    pub(crate) fn find(&mut self, digest: u64, id: impl FnOnce() -> Result<String>) -> Result<Option<u64>> {
        let from = self.entries.partition_point(|entry| entry.digest < digest);
        let run = self.entries.get(from..).unwrap_or_default();
        let run = run.get(..run.partition_point(|entry| entry.digest == digest)).unwrap_or_default();
        if run.len() < 2 {
            return Ok(run.first().map(|entry| entry.offset));
        }
        let id = id()?;
        for entry in run {
            self.scanner.seek(entry.offset);
            if self.scanner.name()? == id {
                return Ok(Some(entry.offset));
            }
        }
        Ok(None)
    }

    /// The node that stands at `offset`.
    ///
    /// # Errors
    /// `corrupt` with file, offset and id.
    pub(crate) fn node(&mut self, offset: u64) -> Result<Node> {
        self.scanner.seek(offset);
        let id = self.scanner.name()?;
        self.content(&id).map_err(|error| error.at("id", &id))
    }

    fn content(&mut self, id: &str) -> Result<Node> {
        let parts = Parts::find(&mut self.scanner)?;
        let mut notes = Notes::default();
        let text = parts.text(&mut self.scanner, &mut notes)?;
        let metadata = parts.metadata(&mut self.scanner, &mut notes)?;
        Ok(Node { id: id.to_owned(), text, metadata, notes })
    }
}

/// The members of every object whose name ends in `/data`: the part before is the docstore's namespace, `docstore`
/// unless a program chose another.
fn find_nodes(scanner: &mut FileScanner, entries: &mut Vec<Entry>) -> Result<()> {
    let mut parts = scanner.object()?;
    while scanner.next(&mut parts)? {
        if !scanner.name()?.ends_with("/data") {
            scanner.skip()?;
            continue;
        }
        let mut nodes = scanner.object()?;
        while scanner.next(&mut nodes)? {
            let entry = entry(scanner)?;
            scanner.skip()?;
            entries.push(entry);
        }
    }
    scanner.end()
}

/// Where a node's parts stand. Sources: `TextNode`, `Node` and `Document` of llama_index/core/schema.py, and
/// `legacy_json_to_doc` of llama_index/core/storage/docstore/utils.py.
#[derive(Default)]
struct Parts {
    /// Of nodes and images.
    text: Option<u64>,
    /// Of documents from 0.12 on: an object with the text, which counts more than `text`.
    text_resource: Option<u64>,
    metadata: Option<u64>,
    /// What metadata was called before 0.7. Where it stands, LlamaIndex takes it.
    extra_info: Option<u64>,
}

impl Parts {
    /// Of the node whose value is next: in `__data__`, or in the value itself.
    fn find(scanner: &mut FileScanner) -> Result<Parts> {
        scanner.token()?;
        let start = scanner.offset();
        let mut members = scanner.object()?;
        while scanner.next(&mut members)? {
            if scanner.name()? == "__data__" {
                return Parts::of(scanner);
            }
            scanner.skip()?;
        }
        scanner.seek(start);
        Parts::of(scanner)
    }

    fn of(scanner: &mut FileScanner) -> Result<Parts> {
        let mut parts = Parts::default();
        let mut members = scanner.object()?;
        while scanner.next(&mut members)? {
            let name = scanner.name()?;
            let null = scanner.token()? == b'n';
            let offset = Some(scanner.offset()).filter(|_| !null);
            match name.as_str() {
                "text" => parts.text = offset,
                "text_resource" => parts.text_resource = offset,
                "metadata" => parts.metadata = offset,
                "extra_info" => parts.extra_info = offset,
                _ => {}
            }
            scanner.skip()?;
        }
        Ok(parts)
    }

    fn text(&self, scanner: &mut FileScanner, notes: &mut Notes) -> Result<Option<String>> {
        let mut place = self.text;
        if let Some(resource) = self.text_resource {
            scanner.seek(resource);
            place = Parts::of(scanner)?.text.or(place);
        }
        let Some(place) = place else { return Ok(None) };
        scanner.seek(place);
        let text = scanner.string()?;
        notes.surrogate |= text.replaced;
        Ok(Some(text.string))
    }

    fn metadata(&self, scanner: &mut FileScanner, notes: &mut Notes) -> Result<String> {
        let Some(place) = self.extra_info.or(self.metadata) else { return Ok("{}".to_owned()) };
        scanner.seek(place);
        let raw = scanner.raw()?;
        scanner.seek(place);
        object(scanner, &raw, notes)
    }
}

/// The bytes of metadata as text, if they are one JSON object: as they are but for what JSON does not have. `scanner`
/// is where they stand.
pub(crate) fn object(scanner: &FileScanner, raw: &[u8], notes: &mut Notes) -> Result<String> {
    let text = std::str::from_utf8(raw).map_err(|_| scanner.corrupt("the metadata is not UTF-8"))?;
    let mended = mend(text, notes);
    let object = metadata_object(&mended).map_err(|error| scanner.corrupt(&error.message))?;
    Ok(object.to_owned())
}
