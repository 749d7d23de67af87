/*!
The second stage: what each record becomes at the destination. Leaves out documents that an earlier store of
the run already yielded, makes ids, refuses ids that stand for two records, and embeds.
*/

use tokio::sync::mpsc::{Receiver, Sender};
use vecferry_contract::{Batch, Dense, Error, Result};

use super::read::Scanned;
use super::retry::Retry;
use super::{Parcel, Route, Shared, Vectors};
use crate::Embedder;
use crate::ids::IdInput;
use crate::seen::{SeenDocuments, SeenIds};

pub(super) fn run(
    mut pages: Receiver<Scanned>,
    out: &Sender<Parcel>,
    embedder: Option<&dyn Embedder>,
    dry: bool,
    shared: &Shared,
) -> Result<()> {
    let several_stores = shared.collections.iter().any(|route| route.store_index > 0);
    let mut seen =
        Seen { documents: several_stores.then(SeenDocuments::default), ids: SeenIds::default(), dry, embedder };
    while let Some((mut parcel, unreadable)) = pages.blocking_recv() {
        if shared.cancel.is_aborted() {
            return Ok(());
        }
        let route = shared.route(parcel.at)?;
        for record in &unreadable {
            shared.reject(route, &record.id, &record.reason, None)?;
            parcel.tally.rejected += 1;
        }
        seen.shape(&mut parcel, route, shared)?;
        if out.blocking_send(parcel).is_err() {
            return Ok(());
        }
    }
    Ok(())
}

/// What one run remembers while shaping.
struct Seen<'a> {
    documents: Option<SeenDocuments>,
    ids: SeenIds,
    dry: bool,
    embedder: Option<&'a dyn Embedder>,
}

impl Seen<'_> {
    fn shape(&mut self, parcel: &mut Parcel, route: &Route, shared: &Shared) -> Result<()> {
        let batch = std::mem::take(&mut parcel.batch);
        let mut keep = vec![true; batch.len()];
        let mut ids = Vec::with_capacity(batch.len());
        for (row, keep) in keep.iter_mut().enumerate() {
            if self.is_duplicate(&batch, row, route) {
                parcel.tally.duplicates += 1;
                *keep = false;
                continue;
            }
            match self.destination_id(&batch, row, route, shared) {
                Ok(id) => ids.push(id),
                Err(reason) => {
                    let id = batch.ids.get(row).map_or("", String::as_str);
                    shared.reject(route, id, &reason, Some(&batch.select(&[row])))?;
                    parcel.tally.rejected += 1;
                    *keep = false;
                }
            }
        }
        let mut batch = batch.filter(&keep);
        batch.ids = ids;
        if route.job.vectors == Vectors::Embed {
            batch.sparse.clear();
            batch.dense.clear();
            if let Some(embedder) = self.embedder.filter(|_| !batch.is_empty()) {
                batch.dense = vec![embed(embedder, &batch, shared)?];
                parcel.tally.embedded += batch.len() as u64;
            } else if !self.dry && !batch.is_empty() {
                return Err(Error::internal(
                    "engine/no-embedder",
                    "documents are to be embedded, but no model is loaded",
                ));
            }
        }
        parcel.tally.first_id = batch.ids.first().cloned();
        parcel.batch = batch;
        Ok(())
    }

    fn is_duplicate(&mut self, batch: &Batch, row: usize, route: &Route) -> bool {
        match (&mut self.documents, batch.document(row)) {
            (Some(seen), Some(document)) => !seen.insert(route.store_index, document),
            _ => false,
        }
    }

    fn destination_id(&mut self, batch: &Batch, row: usize, route: &Route, shared: &Shared) -> Result<String> {
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
        if !self.ids.insert(&route.job.target.collection, &id) {
            let message = format!("another record of this run already has the id '{id}'; it would be overwritten");
            return Err(Error::corrupt("id/collision", message)
                .at("id", own)
                .hint("choose another --id template, such as '{collection}/{id}'"));
        }
        Ok(id)
    }
}

fn embed(embedder: &dyn Embedder, batch: &Batch, shared: &Shared) -> Result<Dense> {
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
