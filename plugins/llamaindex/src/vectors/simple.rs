/*!
`SimpleVectorStore`: one JSON object with every vector. Source: llama_index/core/vector_stores/simple.py.

The file is walked once to find where each vector stands; a vector's numbers are read when its record is. Memory: 24
bytes a vector, and 16 a node of the docstore while they are joined.
*/

use vecferry_sdk::{Error, ErrorKind, File, Reader, Result, Unreadable};

use crate::docstore::{Docstore, object};
use crate::entries::{Entry, entry, keep_last};
use crate::json::{FileScanner, Scanner, numbers};
use crate::notes::Notes;
use crate::settings::DOCUMENTS_HINT;
use crate::vectors::{NAMED, Record, Step, naming};

/// What `node_to_metadata_dict` of llama_index/core/vector_stores/utils.py adds to a node's own metadata.
const LIBRARY_KEYS: [&str; 5] = ["_node_content", "_node_type", "document_id", "doc_id", "ref_doc_id"];

/// Where a record's text and metadata come from.
#[derive(Clone, Copy)]
enum About {
    /// The docstore's node that stands there.
    Node(u64),
    /// The value that stands there in `metadata_dict`.
    Metadata(u64),
    Nothing,
}

struct Slot {
    /// Where the id's opening quote stands in `embedding_dict`.
    id: u64,
    about: About,
}

/// What a walk through the file finds.
#[derive(Default)]
struct Found {
    vectors: Vec<Entry>,
    dimension: u32,
    /// Vectors with another number of values, and the first of them.
    odd: u64,
    first_odd: Option<Entry>,
    /// Where the value of `metadata_dict` stands.
    metadata: Option<u64>,
    /// `embedding_dict` was there.
    is_store: bool,
    members: bool,
}

pub(crate) struct SimpleStore {
    file: File,
    scanner: FileScanner,
    /// `metadata_dict` stands elsewhere in the file.
    metadata: FileScanner,
    docstore: Option<Docstore>,
    slots: Vec<Slot>,
    dimension: u32,
    missing: usize,
    first_missing: Vec<String>,
    /// Why the file could not be read to its end; a record tells so at the end.
    damage: Option<Error>,
}

impl SimpleStore {
    /// Finds the vectors of a file and joins them with the nodes of the docstore, which is opened only then; `None`
    /// where there are none. With `whole_ones` a damaged file gives what stands before the damage, and vectors of
    /// another dimension are unreadable one by one.
    ///
    /// # Errors
    /// `corrupt`; the docstore's.
    pub(crate) fn open(
        file: File,
        docstore: &dyn Fn() -> Result<Option<Docstore>>,
        whole_ones: bool,
    ) -> Result<Option<SimpleStore>> {
        let mut scanner = Scanner::new(Reader::new(file.clone()));
        let mut found = Found::default();
        let damage = match found.walk(&mut scanner) {
            Ok(()) => None,
            Err(error) if whole_ones && error.kind == ErrorKind::Corrupt => Some(error),
            Err(error) => return Err(error),
        };
        if found.vectors.is_empty() {
            return damage.map_or(Ok(None), Err);
        }
        found.check(&mut scanner, whole_ones)?;
        keep_last(&mut found.vectors, &mut scanner)?;
        let metadata = Scanner::new(Reader::with_block(file.clone(), 64 * 1024));
        let mut store = SimpleStore {
            file,
            scanner,
            metadata,
            docstore: docstore()?,
            slots: Vec::new(),
            dimension: found.dimension,
            missing: 0,
            first_missing: Vec::new(),
            damage,
        };
        store.join(&found)?;
        Ok(Some(store))
    }

    fn join(&mut self, found: &Found) -> Result<()> {
        self.slots.reserve_exact(found.vectors.len());
        if let Some(docstore) = &mut self.docstore {
            docstore.sort();
        }
        // Only wanted where the docstore lacks a node.
        let mut metadata: Option<Vec<Entry>> = None;
        for vector in &found.vectors {
            let scanner = &mut self.scanner;
            let mut id = || {
                scanner.seek(vector.offset);
                scanner.name()
            };
            let node = match &mut self.docstore {
                Some(docstore) => docstore.find(vector.digest, &mut id)?,
                None => None,
            };
            let about = match node {
                Some(node) => About::Node(node),
                None => {
                    self.missing += 1;
                    if self.first_missing.len() < NAMED {
                        self.first_missing.push(id()?);
                    }
                    let entries = match &mut metadata {
                        Some(entries) => entries,
                        none => none.insert(metadata_entries(&mut self.metadata, found.metadata)?),
                    };
                    find_metadata(entries, *vector, &mut self.metadata, &mut id)?
                }
            };
            self.slots.push(Slot { id: vector.offset, about });
        }
        Ok(())
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    pub(crate) fn docstore(&self) -> Option<&Docstore> {
        self.docstore.as_ref()
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(crate) fn dimension(&self) -> u32 {
        self.dimension
    }

    /// Vectors whose node the docstore does not have.
    pub(crate) fn missing(&self) -> usize {
        self.missing
    }

    pub(crate) fn damage(&self) -> Option<&Error> {
        self.damage.as_ref()
    }

    pub(crate) fn missing_documents(&self) -> Error {
        let message = format!(
            "{} of {} vectors belong to nodes that the docstore does not have: {}",
            self.missing,
            self.slots.len(),
            naming(&self.first_missing, self.missing)
        );
        Error::corrupt("llamaindex/missing-documents", message)
            .at("file", self.file.name())
            .at("id", self.first_missing.first().map_or("", String::as_str))
            .hint("--skip-unreadable moves those, too: with the vector store's own metadata and without documents")
    }

    /// The `at`-th record, its vector appended; `None` past the end.
    pub(crate) fn record(&mut self, at: usize, vector: &mut Vec<f32>) -> Result<Option<Step>> {
        let Some(slot) = self.slots.get(at) else { return Ok(None) };
        self.scanner.seek(slot.id);
        let id = self.scanner.name()?;
        let about = slot.about;
        self.vector(vector).map_err(|error| error.at("id", &id))?;
        let mut record = Record { id, document: None, metadata: "{}".to_owned(), notes: Notes::default() };
        match (about, &mut self.docstore) {
            (About::Node(offset), Some(docstore)) => {
                let node = docstore.node(offset)?;
                if node.id != record.id {
                    // Two ids with one digest: this one's node is not there.
                    let message = "the docstore does not have this node";
                    let reason = Error::corrupt("llamaindex/missing-document", message).at("id", &record.id);
                    return Ok(Some(Step::Unreadable(Unreadable { id: record.id, reason })));
                }
                record.document = node.text;
                record.metadata = node.metadata;
                record.notes = node.notes;
            }
            (About::Metadata(offset), _) => {
                let metadata = own_metadata(&mut self.metadata, offset, &mut record.notes);
                record.metadata = metadata.map_err(|error| error.at("id", &record.id))?;
                record.notes.no_document = self.docstore.is_some();
            }
            _ => record.notes.no_document = self.docstore.is_some(),
        }
        Ok(Some(Step::Record(record)))
    }

    fn vector(&mut self, vector: &mut Vec<f32>) -> Result<()> {
        self.scanner.token()?;
        let start = self.scanner.offset();
        let raw = self.scanner.raw()?;
        let before = vector.len();
        if let Err(at) = numbers(&raw, vector) {
            self.scanner.seek(start + at as u64);
            return Err(self.scanner.corrupt("a vector holds something that is no number"));
        }
        let values = vector.len() - before;
        if values != self.dimension as usize {
            self.scanner.seek(start);
            return Err(self.scanner.corrupt(&format!("a vector has {values} values, the others {}", self.dimension)));
        }
        Ok(())
    }
}

impl Found {
    fn walk(&mut self, scanner: &mut FileScanner) -> Result<()> {
        let mut members = scanner.object()?;
        while scanner.next(&mut members)? {
            self.members = true;
            match scanner.name()?.as_str() {
                "embedding_dict" => {
                    self.is_store = true;
                    self.embeddings(scanner)?;
                }
                "metadata_dict" => {
                    scanner.token()?;
                    self.metadata = Some(scanner.offset());
                    scanner.skip()?;
                }
                _ => drop(scanner.skip()?),
            }
        }
        scanner.end()?;
        if self.members && !self.is_store {
            scanner.seek(0);
            return Err(scanner.corrupt("this is no SimpleVectorStore: it has no embedding_dict"));
        }
        Ok(())
    }

    fn embeddings(&mut self, scanner: &mut FileScanner) -> Result<()> {
        let mut members = scanner.object()?;
        while scanner.next(&mut members)? {
            let entry = entry(scanner)?;
            if scanner.token()? != b'[' {
                return Err(scanner.corrupt("a vector is due, a list of numbers"));
            }
            let values = u32::try_from(scanner.skip()?).unwrap_or(u32::MAX);
            if self.dimension == 0 && values > 0 {
                self.dimension = values;
                // Those before have none.
                self.odd = self.vectors.len() as u64;
                self.first_odd = self.vectors.first().copied();
            }
            if values != self.dimension {
                self.odd += 1;
                self.first_odd = self.first_odd.or(Some(entry));
            }
            self.vectors.push(entry);
        }
        Ok(())
    }

    /// Every vector must be as long as the first that is not empty.
    fn check(&self, scanner: &mut FileScanner, whole_ones: bool) -> Result<()> {
        if self.dimension == 0 {
            return Err(scanner.corrupt("no vector of this store has values").hint(DOCUMENTS_HINT));
        }
        let Some(first) = self.first_odd.filter(|_| !whole_ones) else { return Ok(()) };
        scanner.seek(first.offset);
        let id = scanner.name()?;
        let message = format!(
            "{} of {} vectors do not have {} values, first that of {id}",
            self.odd,
            self.vectors.len(),
            self.dimension
        );
        scanner.seek(first.offset);
        Err(scanner.corrupt(&message).at("id", id).hint("--skip-unreadable moves the others"))
    }
}

/// The members of `metadata_dict`, sorted. Before 0.8 there is none, later it may be null.
fn metadata_entries(scanner: &mut FileScanner, place: Option<u64>) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    let Some(place) = place else { return Ok(entries) };
    scanner.seek(place);
    if scanner.token()? != b'{' {
        return Ok(entries);
    }
    let mut members = scanner.object()?;
    while scanner.next(&mut members)? {
        entries.push(entry(scanner)?);
        scanner.skip()?;
    }
    keep_last(&mut entries, scanner)?;
    entries.sort_unstable();
    Ok(entries)
}

fn find_metadata(
    entries: &[Entry],
    vector: Entry,
    scanner: &mut FileScanner,
    id: &mut dyn FnMut() -> Result<String>,
) -> Result<About> {
    let from = entries.partition_point(|entry| entry.digest < vector.digest);
    let run = entries.get(from..).unwrap_or_default().iter().take_while(|entry| entry.digest == vector.digest);
    for entry in run {
        scanner.seek(entry.offset);
        if scanner.name()? == id()? {
            scanner.token()?;
            return Ok(About::Metadata(scanner.offset()));
        }
    }
    Ok(About::Nothing)
}

/// The metadata of a node as the vector store keeps it, without what LlamaIndex added.
fn own_metadata(scanner: &mut FileScanner, offset: u64, notes: &mut Notes) -> Result<String> {
    scanner.seek(offset);
    if scanner.token()? == b'n' {
        return Ok("{}".to_owned());
    }
    let mut own = b"{".to_vec();
    let mut members = scanner.object()?;
    while scanner.next(&mut members)? {
        scanner.token()?;
        let start = scanner.offset();
        let is_own = !LIBRARY_KEYS.contains(&scanner.name()?.as_str());
        scanner.skip()?;
        if is_own {
            if own.len() > 1 {
                own.extend_from_slice(b", ");
            }
            let end = scanner.offset();
            own.extend(scanner.between(start, end)?);
        }
    }
    own.push(b'}');
    scanner.seek(offset);
    object(scanner, &own, notes)
}
