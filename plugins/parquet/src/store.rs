/*! The granted files as collections. */

use std::collections::BTreeMap;

use vecferry_parquet_format::{Footer, MAGIC};
use vecferry_sdk::{Collection, Error, File, Fingerprint, Host, IdOrigin, Metric, Result};

use crate::columns::{NOTE_COLLECTION, NOTE_MODEL, NOTE_PROVIDER, noted_metric};
use crate::detect;
use crate::mapping::{Kind, Mapping};
use crate::names;
use crate::rows::{GroupReader, Rows, View};
use crate::settings::SourceSettings;

/// Rows that are looked at for the first vector and the first document.
const LOOKED_AT: u64 = 256;

/// A file of a collection.
pub(crate) struct Table {
    pub(crate) file: File,
    pub(crate) footer: Footer,
    pub(crate) mapping: Mapping,
    /// Rows of the collection's files before it.
    pub(crate) first_row: u64,
}

/// Files that hold one collection's records.
pub(crate) struct Stored {
    pub(crate) name: String,
    pub(crate) tables: Vec<Table>,
}

impl Table {
    fn open(host: &Host, name: &str, settings: &SourceSettings) -> Result<Option<Table>> {
        let file = host.open_file(name)?;
        if file.read_at(0, 4)? != MAGIC {
            let message = "the file does not begin as a Parquet file does";
            return Err(Error::corrupt("parquet/magic", message).at("file", name).at("offset", 0));
        }
        let footer = Footer::read(&file)?;
        let mapping = Mapping::of(&footer, settings).map_err(|error| error.at("file", name))?;
        Ok(mapping.map(|mapping| Table { file, footer, mapping, first_row: 0 }))
    }

    /// The file's collection: what it notes, else its folder, else its own name.
    fn collection(&self) -> String {
        let (folder, file) = names::split(self.file.name());
        let own = self.footer.note(NOTE_COLLECTION).filter(|_| self.mapping.kind != Kind::Foreign);
        let folder = folder.trim_end_matches('/');
        match own {
            Some(own) => own.to_owned(),
            None if folder.is_empty() => file.rsplit_once('.').map_or(file, |(stem, _)| stem).to_owned(),
            None => names::split(folder).1.to_owned(),
        }
    }
}

impl Stored {
    /// All collections of the granted files, by name.
    ///
    /// # Errors
    /// `corrupt` with file and offset; `config` for a column that is not there.
    pub(crate) fn all(host: &Host, settings: &SourceSettings) -> Result<Vec<Stored>> {
        // Foreign files at the top lie in no folder that could name them: all that look alike are one collection.
        let mut found: BTreeMap<(String, Vec<String>), Vec<Table>> = BTreeMap::new();
        for entry in host.list_files()?.iter().filter(|entry| detect::is_named(entry)) {
            let Some(table) = Table::open(host, &entry.name, settings)? else { continue };
            let key = match table.mapping.kind {
                Kind::General | Kind::Pinecone => (table.collection(), Vec::new()),
                Kind::Foreign => {
                    let columns = table.footer.leaves.iter().map(|leaf| leaf.name.clone()).collect();
                    (names::split(&entry.name).0.to_owned(), columns)
                }
            };
            found.entry(key).or_default().push(table);
        }
        if found.is_empty() {
            return Err(Error::not_found("parquet/no-store", "no Parquet file here has a column of vectors")
                .hint("--set source.vector_column names the column"));
        }
        let mut out: Vec<Stored> = Vec::new();
        for (_, mut tables) in found {
            let mut rows = 0;
            for table in &mut tables {
                table.first_row = rows;
                rows += table.footer.rows();
            }
            let Some(first) = tables.first() else { continue };
            let mut name = match first.mapping.kind {
                Kind::Foreign if tables.len() > 1 && names::split(first.file.name()).0.is_empty() => {
                    "parquet".to_owned()
                }
                _ => first.collection(),
            };
            if out.iter().any(|other| other.name == name) {
                name = first.file.name().to_owned();
            }
            out.push(Stored { name, tables });
        }
        Ok(out)
    }

    /// The collection of this name.
    ///
    /// # Errors
    /// As [`Stored::all`]; `not-found`.
    pub(crate) fn named(host: &Host, settings: &SourceSettings, name: &str) -> Result<Stored> {
        Stored::all(host, settings)?.into_iter().find(|stored| stored.name == name).ok_or_else(|| {
            Error::not_found("parquet/collection", format!("there is no collection {name:?} in these files"))
        })
    }

    /// Values of the first vectors: noted, else counted.
    ///
    /// # Errors
    /// `corrupt` with file and offset.
    pub(crate) fn dimension(&self) -> Result<Option<u32>> {
        Ok(self.look()?.0)
    }

    /// The dimension, and whether there are documents, by the first rows of each file until both are known.
    fn look(&self) -> Result<(Option<u32>, bool)> {
        let (mut dimension, mut has_documents) = (None, false);
        for table in &self.tables {
            dimension = dimension.or(table.mapping.vectors.first().and_then(|vector| vector.dimension));
            let has_column = table.mapping.document.is_some() || table.mapping.kind == Kind::Pinecone;
            if dimension.is_some() && (has_documents || !has_column) {
                continue;
            }
            let view = view(table, &SourceSettings::default());
            let mapping = Mapping { others: Vec::new(), sparse: Vec::new(), ..table.mapping.clone() };
            let mut rows = Rows::new(&mapping, None);
            let wants_more = |rows: &Rows| (rows.len() as u64) < LOOKED_AT && rows.bytes < 4 << 20;
            for group in 0..table.footer.groups.len() {
                if !wants_more(&rows) {
                    break;
                }
                let mut reader = GroupReader::open(&table.file, &table.footer, group, &mapping, view.clone())?;
                while reader.left > 0 && wants_more(&rows) {
                    reader.next(0, &mut rows)?;
                }
            }
            dimension = dimension.or(rows.dimension());
            has_documents |= rows.finish().0.documents.iter().flatten().any(Option::is_some);
            // A long run without documents is not read to its end: the column says that there may be some.
            has_documents |= table.mapping.document.is_some() && table.footer.rows() > LOOKED_AT;
        }
        Ok((dimension, has_documents))
    }

    /// What the host is told of it.
    ///
    /// # Errors
    /// `corrupt` with file and offset.
    pub(crate) fn describe(&self) -> Result<Collection> {
        let (dimension, has_documents) = self.look()?;
        let mut fingerprint = Fingerprint::default();
        let (mut metric, mut rows) = (Metric::Unknown, 0);
        for table in &self.tables {
            fingerprint.add_file(&*table.file)?;
            rows += table.footer.rows();
            if metric == Metric::Unknown {
                metric = noted_metric(&table.footer);
            }
        }
        let first = self.tables.first();
        let mut details = Vec::new();
        if let Some(table) = first {
            details.push(("format".to_owned(), kind_name(table.mapping.kind).to_owned()));
            details.push(("files".to_owned(), self.tables.len().to_string()));
            for (what, note) in [("embedding provider", NOTE_PROVIDER), ("embedding model", NOTE_MODEL)] {
                details.extend(table.footer.note(note).map(|value| (what.to_owned(), value.to_owned())));
            }
            if table.mapping.kind == Kind::Foreign {
                details.extend(columns_of(table));
            }
        }
        let has_ids = first.is_some_and(|table| table.mapping.id.is_some());
        Ok(Collection {
            name: self.name.clone(),
            rows: Some(rows),
            dimension,
            metric,
            has_documents,
            has_vectors: dimension.is_some(),
            id_origin: if has_ids { IdOrigin::Store } else { IdOrigin::Position },
            fingerprint: fingerprint.finish(),
            details,
            ..Collection::default()
        })
    }
}

fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::General => "Parquet, as vecferry writes it",
        Kind::Pinecone => "Parquet, in Pinecone's import layout",
        Kind::Foreign => "Parquet of another program",
    }
}

/// Which columns are taken for what.
fn columns_of(table: &Table) -> Vec<(String, String)> {
    let Mapping { id, document, metadata, vectors, others, left_out, .. } = &table.mapping;
    let name = |leaf: usize| table.footer.leaves.get(leaf).map(|leaf| leaf.name.clone());
    let single = [
        ("id", *id),
        ("vector", vectors.first().map(|vector| vector.leaf)),
        ("document", *document),
        ("metadata", *metadata),
    ];
    let mut out: Vec<(String, String)> =
        single.into_iter().filter_map(|(what, leaf)| Some((format!("{what} column"), name(leaf?)?))).collect();
    let fields: Vec<String> = others.iter().filter_map(|leaf| name(*leaf)).collect();
    for (what, names) in [("metadata columns", fields), ("columns left out", left_out.clone())] {
        if !names.is_empty() {
            out.push((what.to_owned(), names.join(", ")));
        }
    }
    out
}

/// How a file's rows become records.
pub(crate) fn view(table: &Table, settings: &SourceSettings) -> View {
    match table.mapping.kind {
        Kind::General | Kind::Foreign => View::Records,
        Kind::Pinecone => View::Pinecone(settings.pinecone(), vecferry_pinecone_format::restore::Reader::Source),
    }
}
