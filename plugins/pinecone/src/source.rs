/*!
The source: an index's namespaces as collections, read by listing ids and fetching their records.

A cursor is the token of the next page of ids, so that a scan continues where it stood. A record that is written or
deleted while a scan runs may or may not be in it: Pinecone has no snapshots.
*/

use serde::{Deserialize, Serialize};
use vecferry_sdk::{
    Claim, Collection, Config, Error, Host, IdOrigin, Page, PluginSpec, Result, Scan, SourcePlugin, Split,
};

use crate::PineconeSource;
use crate::answers::{Fetched, Stats, Vector, parse};
use crate::client::Client;
use crate::index::{Index, stats};
use crate::namespace::{LIST_PAGE, Namespace, collection_name, no_list};
use crate::page::Cursor;
use crate::rows::Rows;
use crate::settings::{IndexMetric, Settings, TEXT_FIELDS, VectorType};
use vecferry_pinecone_format::fit::{Layout, text_of};
use vecferry_pinecone_format::json::Fields;
use vecferry_pinecone_format::restore::Reader;

/// Records that are looked at to learn where documents are.
const PROBE: u32 = 20;

/// What a split holds.
#[derive(Serialize, Deserialize)]
struct Part {
    /// As the service knows it.
    namespace: String,
    /// The metadata field of the document.
    text_field: String,
}

impl SourcePlugin for PineconeSource {
    fn spec() -> PluginSpec {
        crate::spec()
    }

    /// Nothing: an index is named, not found among files.
    fn detect(_host: &Host) -> Result<Vec<Claim>> {
        Ok(Vec::new())
    }

    fn discover(host: &Host, config: &Config) -> Result<Vec<Collection>> {
        let settings = Settings::read(config)?;
        let (index, stats) = look(host, &settings)?;
        let describe = |(name, summary): (&String, &crate::answers::NamespaceSummary)| {
            let namespace = namespace(host, &settings, &index, name);
            let text_field = text_field(&namespace, &settings)?;
            let mut details = vec![
                ("index".to_owned(), index.name.clone()),
                ("metric".to_owned(), index.metric.map_or("unknown", IndexMetric::as_str).to_owned()),
            ];
            if index.vector_type == VectorType::Sparse {
                details.push(("vectors".to_owned(), "sparse".to_owned()));
            }
            if let Some(field) = &text_field {
                details.push(("documents in".to_owned(), field.clone()));
            }
            Ok(Collection {
                name: collection_name(name).into_owned(),
                rows: Some(summary.vector_count),
                dimension: index.dimension,
                metric: index.metric.map(IndexMetric::metric).unwrap_or_default(),
                has_documents: text_field.is_some(),
                has_vectors: true,
                id_origin: IdOrigin::Store,
                lossy_vectors: false,
                aside: None,
                fingerprint: format!("{} {name} {}", index.host, summary.vector_count),
                details,
            })
        };
        stats.namespaces.iter().map(describe).collect()
    }

    fn plan(host: &Host, config: &Config, collection: &str, _desired: u32) -> Result<Vec<Split>> {
        let settings = Settings::read(config)?;
        let (index, stats) = look(host, &settings)?;
        let Some((name, summary)) = stats.namespaces.iter().find(|(name, _)| collection_name(name) == collection)
        else {
            let names: Vec<_> = stats.namespaces.keys().map(|name| collection_name(name)).collect();
            let message = format!("there is no namespace '{collection}' in the index '{}'", index.name);
            return Err(
                Error::not_found("pinecone/no-namespace", message).hint(format!("it holds: {}", names.join(", ")))
            );
        };
        let namespace = namespace(host, &settings, &index, name);
        let layout = settings.layout(name);
        let part = Part {
            text_field: text_field(&namespace, &settings)?.unwrap_or(layout.text_field),
            namespace: name.clone(),
        };
        let payload = serde_json::to_vec(&part)
            .map_err(|e| Error::internal("pinecone/split", format!("a split cannot be written: {e}")))?;
        // One: a listing goes on only from where a page ended.
        Ok(vec![Split { id: "all".to_owned(), payload, rows: Some(summary.vector_count) }])
    }

    fn open(host: &Host, config: &Config, split: &Split, after: Option<&[u8]>) -> Result<Box<dyn Scan>> {
        let settings = Settings::read(config)?;
        let part: Part = serde_json::from_slice(&split.payload)
            .map_err(|_| Error::config("pinecone/split", "this part was planned by another version of the plugin"))?;
        let index = Index::existing(host, &settings)?;
        let layout = Layout { text_field: part.text_field, ..settings.layout(&part.namespace) };
        let namespace = namespace(host, &settings, &index, &part.namespace);
        Ok(Box::new(NamespaceScan { namespace, layout, cursor: Cursor::read(after)? }))
    }
}

/// The index and its statistics.
fn look(host: &Host, settings: &Settings) -> Result<(Index, Stats)> {
    let index = Index::existing(host, settings)?;
    if index.is_pod {
        return Err(no_list(&index.name));
    }
    let stats = stats(&Client::new(host, &settings.api_version), &index.host)?;
    Ok((index, stats))
}

fn namespace(host: &Host, settings: &Settings, index: &Index, name: &str) -> Namespace {
    Namespace { client: Client::new(host, &settings.api_version), index: index.clone(), name: name.to_owned() }
}

/// The metadata field in which the first records have their documents; none where they have no documents.
fn text_field(namespace: &Namespace, settings: &Settings) -> Result<Option<String>> {
    let (ids, _) = namespace.list(None, PROBE)?;
    let candidates: Vec<&str> = match &settings.text_field {
        Some(field) => vec![field],
        None => TEXT_FIELDS.to_vec(),
    };
    let mut found = vec![false; candidates.len()];
    namespace.fetch(ids.iter().map(String::as_str), |response| {
        let fetched: Fetched<'_> = parse(response, "fetch records")?;
        for (_, record) in &fetched.vectors.0 {
            let metadata = serde_json::from_str::<Vector<'_>>(record.get()).ok().and_then(|vector| vector.metadata);
            let Some(Fields(fields)) = metadata.and_then(|json| serde_json::from_str(json.get()).ok()) else {
                continue;
            };
            for (candidate, found) in candidates.iter().zip(&mut found) {
                *found |= fields.iter().any(|(key, value)| key == candidate && text_of(value.get()).is_some());
            }
        }
        Ok(())
    })?;
    Ok(candidates.iter().zip(found).find(|(_, found)| *found).map(|(field, _)| (*field).to_owned()))
}

/// A running scan of one namespace.
struct NamespaceScan {
    namespace: Namespace,
    layout: Layout,
    cursor: Cursor,
}

impl Scan for NamespaceScan {
    fn next(&mut self, max_rows: u32, max_bytes: u64) -> Result<Option<Page>> {
        let max_rows = max_rows.max(1) as usize;
        let mut rows = Rows::new(&self.layout, Reader::Source, self.namespace.index.dimension);
        let mut bytes = 0_u64;
        // A page of ids may be empty of records: they were deleted in between.
        while self.cursor != Cursor::End && rows.len() < max_rows && (bytes < max_bytes || rows.len() == 0) {
            let want = u32::try_from(max_rows - rows.len()).unwrap_or(LIST_PAGE).min(LIST_PAGE);
            let (ids, next) = self.namespace.list(self.cursor.token(), want)?;
            self.namespace.fetch(ids.iter().map(String::as_str), |response| {
                bytes = bytes.saturating_add(response.body.len() as u64);
                rows.push_all(response)
            })?;
            self.cursor = Cursor::after(next);
        }
        if rows.len() == 0 {
            return Ok(None);
        }
        Ok(Some(Page {
            rows: rows.into_batch(),
            cursor: self.cursor.bytes(),
            changes: Vec::new(),
            unreadable: Vec::new(),
        }))
    }
}
