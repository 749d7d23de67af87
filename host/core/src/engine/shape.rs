/*!
The second stage: what each record becomes at the destination. Leaves out documents that an earlier store of
the run already yielded, makes ids, refuses ids that stand for two records, and embeds.
*/

use std::collections::HashMap;

use tokio::sync::mpsc::{Receiver, Sender};
use vecferry_contract::{Batch, Dense, Error, Result};

use super::checkpoint::{self, Letter, Rejected};
use super::read::Scanned;
use super::retry::Retry;
use super::{Parcel, Route, Shared, Vectors};
use crate::Embedder;
use crate::ids::IdInput;
use crate::seen::{SeenDocuments, SeenIds, document_digest, id_digest};

pub(super) fn run(
    mut pages: Receiver<Scanned>,
    out: &Sender<Parcel>,
    mut seen: Seen,
    embedder: Option<&dyn Embedder>,
    dry: bool,
    shared: &Shared,
) -> Result<()> {
    let mut sequence = 0;
    while let Some((mut parcel, unreadable)) = pages.blocking_recv() {
        parcel.sequence = sequence;
        sequence += 1;
        if shared.cancel.is_aborted() {
            return Ok(());
        }
        let route = shared.route(parcel.at)?;
        for record in unreadable {
            reject(&mut parcel, route, &record.id, record.reason, None);
        }
        seen.shape(&mut parcel, route, shared)?;
        if route.job.vectors == Vectors::Embed {
            replace_vectors(&mut parcel, embedder, dry, shared)?;
        }
        parcel.first_id = parcel.batch.ids.first().cloned();
        if out.blocking_send(parcel).is_err() {
            return Ok(());
        }
    }
    Ok(())
}

/// What one run remembers while shaping.
pub(super) struct Seen {
    documents: Option<SeenDocuments>,
    ids: SeenIds,
    stores: HashMap<String, u32>,
}

impl Seen {
    pub(super) fn new(routes: &[Route]) -> Self {
        let stores: HashMap<String, u32> =
            routes.iter().map(|route| (route.store.clone(), route.store_index)).collect();
        let several_stores = routes.iter().any(|route| route.store_index > 0);
        Seen { documents: several_stores.then(SeenDocuments::default), ids: SeenIds::default(), stores }
    }

    /// What an earlier process of the run had seen.
    pub(super) fn restore(&mut self, block: checkpoint::Seen<'_>) -> Result<()> {
        match block {
            checkpoint::Seen::Ids(ids) => ids.iter().try_for_each(|id| self.ids.insert(id).map(drop)),
            checkpoint::Seen::Documents(store, digests) => {
                let Some(&store) = self.stores.get(store) else { return Ok(()) };
                let Some(documents) = &mut self.documents else { return Ok(()) };
                digests.iter().try_for_each(|digest| documents.insert(store, digest).map(drop))
            }
        }
    }

    fn shape(&mut self, parcel: &mut Parcel, route: &Route, shared: &Shared) -> Result<()> {
        let batch = std::mem::take(&mut parcel.batch);
        let mut keep = vec![true; batch.len()];
        let mut ids = Vec::with_capacity(batch.len());
        for (row, keep) in keep.iter_mut().enumerate() {
            if self.is_duplicate(&batch, row, route, parcel)? {
                parcel.page.counts.duplicates += 1;
                *keep = false;
                continue;
            }
            match destination_id(&batch, row, route, shared) {
                Ok(id) => {
                    let digest = id_digest(&route.job.target.collection, &id);
                    if self.ids.insert(&digest)? {
                        parcel.page.ids.push(digest);
                        ids.push(id);
                    } else {
                        let own = batch.ids.get(row).map_or("", String::as_str);
                        reject(parcel, route, own, collision(&batch, row, &id), Some(batch.select(&[row])));
                        *keep = false;
                    }
                }
                Err(reason) => {
                    let id = batch.ids.get(row).map_or("", String::as_str);
                    reject(parcel, route, id, reason, Some(batch.select(&[row])));
                    *keep = false;
                }
            }
        }
        parcel.batch = batch.filter(&keep);
        parcel.batch.ids = ids;
        Ok(())
    }

    fn is_duplicate(&mut self, batch: &Batch, row: usize, route: &Route, parcel: &mut Parcel) -> Result<bool> {
        match (&mut self.documents, batch.document(row)) {
            (Some(seen), Some(document)) => {
                let digest = document_digest(document);
                parcel.page.documents.push(digest);
                Ok(!seen.insert(route.store_index, &digest)?)
            }
            _ => Ok(false),
        }
    }
}

fn reject(parcel: &mut Parcel, route: &Route, id: &str, reason: Error, row: Option<Batch>) {
    tracing::info!("rejected {id}: {reason}");
    let target = route.job.target.collection.clone();
    let rejected = Rejected { target, id: id.to_owned(), reason, at_destination: false, row };
    parcel.page.letters.push(Letter::Rejected(rejected));
    parcel.page.counts.rejected += 1;
}

fn destination_id(batch: &Batch, row: usize, route: &Route, shared: &Shared) -> Result<String> {
    let own = batch.ids.get(row).map_or("", String::as_str);
    if route.job.vectors == Vectors::Embed && batch.document(row).is_none() {
        return Err(Error::corrupt("record/no-document", "the record has no document that could be embedded")
            .at("id", own)
            .hint("--embed reuse keeps the vectors that the store holds"));
    }
    let id = route.job.id.fill(&IdInput {
        id: own,
        namespace: &shared.options.namespace,
        collection: &route.job.collection.name,
        store: &route.store,
        metadata: batch.metadata(row),
    })?;
    if id.is_empty() {
        return Err(Error::corrupt("id/empty", "the record's id is empty").at("id", own));
    }
    Ok(id)
}

fn collision(batch: &Batch, row: usize, id: &str) -> Error {
    let message = format!("another record of this run already has the id '{id}'; it would be overwritten");
    Error::corrupt("id/collision", message)
        .at("id", batch.ids.get(row).map_or("", String::as_str))
        .hint("choose another --id template, such as '{collection}/{id}'")
}

/// Puts the model's vectors in place of the store's; in a dry run nothing.
fn replace_vectors(parcel: &mut Parcel, embedder: Option<&dyn Embedder>, dry: bool, shared: &Shared) -> Result<()> {
    parcel.batch.sparse.clear();
    parcel.batch.dense.clear();
    if dry || parcel.batch.is_empty() {
        return Ok(());
    }
    let Some(embedder) = embedder else {
        return Err(Error::internal("engine/no-embedder", "documents are to be embedded, but no model is loaded"));
    };
    parcel.batch.dense = vec![embed(embedder, &parcel.batch, shared)?];
    parcel.page.counts.embedded += parcel.batch.len() as u64;
    Ok(())
}

/// The model's vectors of a batch's documents.
pub(super) fn embed(embedder: &dyn Embedder, batch: &Batch, shared: &Shared) -> Result<Dense> {
    let texts: Vec<&str> = (0..batch.len()).map(|row| batch.document(row).unwrap_or_default()).collect();
    let vectors = Retry::call(shared, "embed", || embedder.embed(&texts))?;
    let expected = texts.len().saturating_mul(embedder.dimension() as usize);
    if vectors.dimension != embedder.dimension() || vectors.values.len() != expected {
        let message = format!(
            "the model {} returned {} values of dimension {} for {} texts",
            embedder.model(),
            vectors.values.len(),
            vectors.dimension,
            texts.len()
        );
        return Err(Error::internal("embed/shape", message));
    }
    Ok(vectors)
}
