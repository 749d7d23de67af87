/*!
A vecferry source for the store that many scripts end up with: `NAME.npy`, saved by `numpy.save`, with one vector a
row, beside `NAME.jsonl` with one document a line.

```text
{"id": "a", "text": "the document", "source": "manual.pdf", "page": 3}
```

The document is what stands under `text`, `content`, `page_content` or `document`, the id under `id` (else it is the
row's number), and everything else is metadata.

Read it as an example: [`SourcePlugin`] has five functions, and each is here in full.
*/

mod npy;

use npy::Matrix;
use serde_json::{Map, Value};
use vecferry_sdk::{
    Batch, Capability, Change, Claim, Collection, Config, Dense, Error, Fingerprint, Host, IdOrigin, Metric, Page,
    PluginSpec, Reader, Result, Scan, SourcePlugin, Split, Unreadable,
};

/// The plugin.
pub struct NpyJsonl;

vecferry_sdk::export!(source: NpyJsonl);

const TEXT_FIELDS: [&str; 4] = ["text", "content", "page_content", "document"];
const MAX_LINE_BYTES: u64 = 64 << 20;

impl SourcePlugin for NpyJsonl {
    /// What `vecferry plugin info npy-jsonl` shows. Asking for nothing but files, it can do nothing but read files.
    fn spec() -> PluginSpec {
        PluginSpec {
            name: "npy-jsonl".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            summary: "NAME.npy (one vector a row) beside NAME.jsonl (one document a line)".into(),
            config_schema: r#"{
                "type": "object",
                "properties": {"text-field": {"type": "string", "description": "the key under which documents stand"}}
            }"#
            .into(),
            schemes: vec![],
            capabilities: vec![Capability::SourceFiles],
            features: vec![],
        }
    }

    /// Pairs of files with one name. Others claim `.npy` files too, so the first bytes count.
    fn detect(host: &Host) -> Result<Vec<Claim>> {
        let files = host.list_files()?;
        let mut claims = Vec::new();
        for npy in &files {
            let Some(stem) = npy.name.strip_suffix(".npy") else { continue };
            let jsonl = format!("{stem}.jsonl");
            if files.iter().any(|file| file.name == jsonl) && host.open_file(&npy.name)?.read_at(0, 6)? == b"\x93NUMPY"
            {
                claims.push(Claim { name: stem.to_owned(), confidence: 80, files: vec![npy.name.clone(), jsonl] });
            }
        }
        Ok(claims)
    }

    /// What is in the claimed files. Nothing is guessed, and nothing is read that can be told without.
    fn discover(host: &Host, config: &Config) -> Result<Vec<Collection>> {
        Self::detect(host)?.iter().map(|claim| Pair::open(host, &claim.name)?.describe(config)).collect()
    }

    /// One part: where a line begins is known only to who read those before it.
    fn plan(host: &Host, _config: &Config, collection: &str, _desired: u32) -> Result<Vec<Split>> {
        let pair = Pair::open(host, collection)?;
        Ok(vec![Split { id: "all".into(), payload: collection.as_bytes().to_vec(), rows: Some(pair.matrix.rows) }])
    }

    /// A scan from the start, or from behind the last page that arrived.
    fn open(host: &Host, config: &Config, split: &Split, after: Option<&[u8]>) -> Result<Box<dyn Scan>> {
        let Ok(collection) = str::from_utf8(&split.payload) else {
            return Err(stale());
        };
        let Pair { matrix, mut lines, .. } = Pair::open(host, collection)?;
        let row = match after {
            None => 0,
            Some(cursor) => {
                let (row, offset) = read_cursor(cursor)?;
                lines.seek(offset);
                row
            }
        };
        if row > matrix.rows {
            return Err(stale());
        }
        let vectors = matrix.reader(row);
        Ok(Box::new(PairScan { matrix, vectors, lines, row, text_field: text_field(config) }))
    }
}

fn text_field(config: &Config) -> Option<String> {
    config.get("text-field").and_then(Value::as_str).map(str::to_owned)
}

/// A cursor: the next row, and where its line begins.
fn cursor(row: u64, offset: u64) -> Vec<u8> {
    [row.to_le_bytes(), offset.to_le_bytes()].concat()
}

fn read_cursor(cursor: &[u8]) -> Result<(u64, u64)> {
    match cursor.as_chunks::<8>() {
        ([row, offset], []) => Ok((u64::from_le_bytes(*row), u64::from_le_bytes(*offset))),
        _ => Err(stale()),
    }
}

fn stale() -> Error {
    Error::config("npy-jsonl/cursor", "this split or cursor is not of this plugin and this store")
        .hint("start the run anew")
}

/// The two files of a collection.
struct Pair {
    name: String,
    matrix: Matrix,
    lines: Reader,
    fingerprint: String,
}

impl Pair {
    fn open(host: &Host, name: &str) -> Result<Self> {
        let npy = host.open_file(&format!("{name}.npy"))?;
        let jsonl = host.open_file(&format!("{name}.jsonl"))?;
        let mut fingerprint = Fingerprint::default();
        fingerprint.add_file(&*npy)?.add_file(&*jsonl)?;
        let (matrix, lines) = (Matrix::open(npy)?, Reader::new(jsonl));
        Ok(Pair { name: name.to_owned(), matrix, lines, fingerprint: fingerprint.finish() })
    }

    /// Whether there are ids and documents is told by the first line.
    fn describe(mut self, config: &Config) -> Result<Collection> {
        let first = match self.lines.line(MAX_LINE_BYTES)? {
            Some(line) => Record::parse(&line, text_field(config).as_deref()).unwrap_or_default(),
            None => Record::default(),
        };
        Ok(Collection {
            name: self.name,
            rows: Some(self.matrix.rows),
            dimension: Some(self.matrix.dimension),
            metric: Metric::Unknown,
            has_documents: first.document.is_some(),
            has_vectors: true,
            id_origin: if first.id.is_some() { IdOrigin::Store } else { IdOrigin::Position },
            fingerprint: self.fingerprint,
            details: vec![("values".into(), if self.matrix.is_double { "float64" } else { "float32" }.into())],
            ..Collection::default()
        })
    }
}

/// What one line holds.
#[derive(Default)]
struct Record {
    id: Option<String>,
    document: Option<String>,
    metadata: Map<String, Value>,
}

impl Record {
    fn parse(line: &[u8], text_field: Option<&str>) -> std::result::Result<Self, String> {
        let mut metadata: Map<String, Value> = match serde_json::from_slice(line) {
            Ok(Value::Object(object)) => object,
            Ok(_) => return Err("the line is no JSON object".to_owned()),
            Err(e) => return Err(format!("the line is no JSON: {e}")),
        };
        let id = metadata.shift_remove("id").map(|id| match id {
            Value::String(id) => id,
            other => other.to_string(),
        });
        let fields = text_field.map_or(TEXT_FIELDS.to_vec(), |field| vec![field]);
        let field = fields.into_iter().find(|field| metadata.get(*field).is_some_and(Value::is_string));
        let document = match field.and_then(|field| metadata.shift_remove(field)) {
            Some(Value::String(text)) => Some(text),
            _ => None,
        };
        Ok(Record { id, document, metadata })
    }
}

struct PairScan {
    matrix: Matrix,
    /// Both stand before row `row`.
    vectors: Reader,
    lines: Reader,
    row: u64,
    text_field: Option<String>,
}

impl PairScan {
    /// Both files must end together.
    fn at_end(&mut self) -> Result<()> {
        if self.row < self.matrix.rows {
            let message = format!("there are {} lines for {} vectors", self.row, self.matrix.rows);
            return Err(self.lines.corrupt(message));
        }
        while let Some(line) = self.lines.line(MAX_LINE_BYTES)? {
            if !line.trim_ascii().is_empty() {
                return Err(self.lines.corrupt(format!("there are more lines than the {} vectors", self.matrix.rows)));
            }
        }
        Ok(())
    }
}

impl Scan for PairScan {
    fn next(&mut self, max_rows: u32, max_bytes: u64) -> Result<Option<Page>> {
        let (mut batch, mut unreadable) = (Batch::default(), Vec::new());
        let (mut values, mut documents, mut metadata) = (Vec::new(), Vec::new(), Vec::new());
        let (first, mut bytes) = (self.row, 0);
        while self.row < self.matrix.rows && self.row - first < u64::from(max_rows) && bytes < max_bytes {
            let offset = self.lines.position();
            let Some(line) = self.lines.line(MAX_LINE_BYTES)? else { break };
            let row = self.row;
            self.row += 1;
            bytes += line.len() as u64 + self.matrix.row_bytes();
            match Record::parse(&line, self.text_field.as_deref()) {
                Ok(record) => {
                    self.matrix.read_row(&mut self.vectors, &mut values)?;
                    batch.ids.push(record.id.unwrap_or_else(|| row.to_string()));
                    documents.push(record.document);
                    metadata.push(Value::Object(record.metadata).to_string());
                }
                // One bad line stops nothing: it goes to the dead letter, with its place.
                Err(reason) => {
                    self.vectors.skip(self.matrix.row_bytes())?;
                    let reason = Error::corrupt("npy-jsonl/line", reason);
                    let reason = reason.at("file", self.lines.file().name()).at("offset", offset).at("id", row);
                    unreadable.push(Unreadable { id: row.to_string(), reason });
                }
            }
        }
        if self.row == first {
            self.at_end()?;
            return Ok(None);
        }
        let records = u32::try_from(batch.ids.len()).unwrap_or(u32::MAX);
        let rounded = Change { code: "vector/f64-to-f32".into(), records };
        batch.dense = vec![Dense::new(self.matrix.dimension, values)];
        batch.documents = Some(documents);
        batch.metadata = Some(metadata);
        Ok(Some(Page {
            rows: batch,
            cursor: cursor(self.row, self.lines.position()),
            changes: if self.matrix.is_double { vec![rounded] } else { vec![] },
            unreadable,
        }))
    }
}
