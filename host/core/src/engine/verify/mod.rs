/*!
Proof that everything arrived. It does not rest on what the run remembers: the source is read once more, and what it
holds is compared with what the destination says of itself.

- Every id that was to arrive is looked for in the destination's list of ids (or fetched, where it cannot list); what
  is missing, listed twice or not of this run is named.
- A sample of records, or all of them, is fetched and compared field by field ([`sample`], [`compare`]).
- Some vectors are searched for at the destination and exactly ([`recall`]).
*/

mod compare;
mod content;
mod recall;
mod sample;

use std::collections::{BTreeMap, HashMap, HashSet};

use tokio::sync::mpsc;
use vecferry_contract::{Batch, Error, ErrorKind, Metric, Result, Target};

use super::read::{self, Input};
use super::retry::Retry;
use super::shape::{self, Seen};
use super::{Digest, Parcel, Shared, Vectors};
use crate::report::{Event, TargetProof, Verification};
use crate::seen::{Table, id_digest};
use crate::{Embedder, Sink, Writer};
use compare::{Vector, Wanted};
use content::Content;
use recall::Exact;
pub(super) use sample::Sample;

/// Findings that are told one by one.
const TOLD: usize = 20;
/// Ids of one read-back.
const FETCH: usize = 500;
/// Ids of one page of a list.
const LIST: u32 = 10_000;
/// Documents that are embedded anew to compare their vectors, where those that were written are not known.
const EMBEDDED_ANEW: usize = 32;
/// Below this the destination's index does not search by the metric that it was made with.
const LEAST_RECALL: f64 = 0.5;

/// What is verified.
pub(super) struct Claim<'a> {
    pub(super) targets: Vec<Target>,
    /// Records that each target held before the run.
    pub(super) before: &'a BTreeMap<String, u64>,
    /// Records that the destination refused: targets and ids.
    pub(super) refused: &'a [(String, String)],
    /// Records as they were written, with their vectors, where this process wrote them.
    pub(super) written: BTreeMap<String, Sample>,
    /// The model of the run, where any collection was embedded.
    pub(super) embedder: Option<&'a dyn Embedder>,
    /// Compare every record instead of a sample.
    pub(super) full: bool,
}

/// What one target should hold.
struct Expected {
    target: Target,
    /// Every id's digest; the value says whether it was found.
    ids: Table,
    count: u64,
    sample: Sample,
    content: Content,
    exact: Option<Exact>,
    /// Whether its vectors are a model's.
    embedded: bool,
}

/// An id's state in [`Expected::ids`].
const WANTED: [u32; 3] = [1, 0, 0];
const FOUND: [u32; 3] = [2, 0, 0];

/// Reads the source once more and compares.
pub(super) fn prove(
    mut stores: Vec<Input>,
    sink: &mut dyn Sink,
    mut claim: Claim<'_>,
    shared: &Shared,
) -> Result<Verification> {
    shared.observer.event(Event::Verifying);
    let refused: HashSet<Digest> = claim.refused.iter().map(|(target, id)| id_digest(target, id)).collect();
    let mut expected: BTreeMap<String, Expected> = claim
        .targets
        .iter()
        .map(|target| {
            let routes = shared.collections.iter().filter(|route| route.job.target.collection == target.collection);
            let embedded = routes.map(|route| route.job.vectors).any(|vectors| vectors == Vectors::Embed);
            let exact = Exact::new(target.metric, target.dimension);
            let (ids, sample, content) = Default::default();
            let one = Expected { target: target.clone(), ids, count: 0, sample, content, exact, embedded };
            (target.collection.clone(), one)
        })
        .collect();
    let mut found = Findings::default();
    stores = pass(stores, shared, |parcel| {
        let target = &shared.route(parcel.at)?.job.target;
        let Some(expected) = expected.get_mut(&target.collection) else { return Ok(()) };
        expected.take(parcel, &refused)?;
        if claim.full {
            let rows: Vec<(Digest, Batch)> = expected.rows(&parcel.batch, &refused).collect();
            let written = claim.written.get(&target.collection);
            check(expected, rows, written, None, sink, shared, &mut found)?;
        }
        Ok(())
    })?;

    let mut targets = Vec::new();
    for (name, expected) in &mut expected {
        let before = claim.before.get(name).copied().unwrap_or(0);
        let mut proof = presence(expected, before, sink, shared, &mut found)?;
        if proof.missing.is_none() {
            stores = fetch_all(stores, expected, &refused, sink, shared)?;
            proof.missing = Some(missing(expected)?);
        }
        if proof.missing.unwrap_or(0) > 0 {
            stores = name_missing(stores, expected, shared, &mut found)?;
        }
        if !claim.full {
            let rows = std::mem::take(&mut expected.sample).into_rows();
            let written = claim.written.remove(name);
            check(expected, rows, written.as_ref(), claim.embedder, sink, shared, &mut found)?;
        }
        proof.recall = recall(expected, sink, shared)?;
        if let Some(recall) = proof.recall.filter(|recall| *recall < LEAST_RECALL) {
            let share = recall * 100.0;
            found.tell(format!("'{name}': its search finds only {share:.0} % of the nearest neighbours"));
        }
        targets.push(proof);
    }
    Ok(found.into_verification(targets))
}

/// What was found, and how much more than is told.
#[derive(Default)]
struct Findings {
    compared: u64,
    told: Vec<String>,
    more: u64,
}

impl Findings {
    fn tell(&mut self, what: String) {
        if self.told.len() < TOLD {
            self.told.push(what);
        } else {
            self.more += 1;
        }
    }

    fn into_verification(mut self, targets: Vec<TargetProof>) -> Verification {
        if self.more > 0 {
            self.told.push(format!("… and {} more", self.more));
        }
        Verification { compared: self.compared, targets, differences: self.told }
    }
}

impl Expected {
    /// The rows of a batch that were to arrive, with their digests.
    fn rows<'b>(&self, batch: &'b Batch, refused: &HashSet<Digest>) -> impl Iterator<Item = (Digest, Batch)> + 'b {
        let name = self.target.collection.clone();
        let refused = refused.clone();
        (0..batch.len()).filter_map(move |row| {
            let key = id_digest(&name, batch.ids.get(row)?);
            (!refused.contains(&key)).then(|| (key, batch.select(&[row])))
        })
    }

    fn take(&mut self, parcel: &Parcel, refused: &HashSet<Digest>) -> Result<()> {
        let batch = &parcel.batch;
        let wanted: Vec<bool> = parcel.page.ids.iter().map(|key| !refused.contains(key)).collect();
        for (row, key) in parcel.page.ids.iter().enumerate().filter(|(row, _)| wanted.get(*row) == Some(&true)) {
            self.ids.update(key, |_| WANTED)?;
            self.count += 1;
            self.content.add(batch, row);
            self.sample.offer(*key, batch, row);
        }
        if let Some(exact) = &mut self.exact {
            exact.ask(batch);
            exact.offer(batch, |row| wanted.get(row) == Some(&true));
        }
        Ok(())
    }
}

/// Reads and shapes everything once more, and hands each page over. Gives the stores back.
fn pass(stores: Vec<Input>, shared: &Shared, mut each: impl FnMut(&Parcel) -> Result<()>) -> Result<Vec<Input>> {
    let (to_shape, from_read) = mpsc::channel(2);
    let (to_check, mut from_shape) = mpsc::channel(2);
    let seen = Seen::new(&shared.collections);
    let nowhere = HashMap::new();
    std::thread::scope(|scope| {
        let reading = scope.spawn(move || read::run(stores, &nowhere, &to_shape, shared));
        let shaping = scope.spawn(move || shape::run(from_read, &to_check, seen, None, true, shared));
        let mut checked = Ok(());
        while let Some(parcel) = from_shape.blocking_recv() {
            checked = each(&parcel);
            if checked.is_err() {
                break;
            }
        }
        // The stages before end when nobody listens any more.
        drop(from_shape);
        let died = |_| Error::internal("engine/stage", "a stage of the verification died");
        let stores = reading.join().map_err(died)??;
        shaping.join().map_err(died)??;
        checked?;
        if shared.cancel.is_requested() {
            return Err(Error::transient("verify/interrupted", "the verification was stopped before its end"));
        }
        Ok(stores)
    })
}

/// A writer to a target; the borrow of one that was opened cannot leave a retry loop, so the retries come first.
fn open<'s>(sink: &'s mut dyn Sink, target: &Target, shared: &Shared) -> Result<Box<dyn Writer + 's>> {
    let mut retry = Retry::new(shared, "open");
    while let Err(error) = sink.open(target).map(drop) {
        retry.after(error)?;
    }
    sink.open(target)
}

/// Compares the destination's list of ids with what was to arrive.
fn presence(
    expected: &mut Expected,
    before: u64,
    sink: &mut dyn Sink,
    shared: &Shared,
    found: &mut Findings,
) -> Result<TargetProof> {
    let name = &expected.target.collection;
    let mut writer = open(sink, &expected.target, shared)?;
    let count = Retry::call(shared, "count", || writer.count())?;
    let mut proof = TargetProof {
        target: name.clone(),
        expected: expected.count,
        before,
        count,
        content: expected.content.hex(),
        ..TargetProof::default()
    };
    let fits = count >= expected.count && (before > 0 || count == expected.count);
    if !fits {
        found.tell(format!(
            "'{name}' holds {count} records; it held {before} before, and {} were to arrive",
            expected.count
        ));
    }
    let mut after: Option<Vec<u8>> = None;
    let (mut present, mut extra, mut twice) = (0, 0, 0);
    loop {
        let page = match Retry::call(shared, "list", || writer.list(after.as_deref(), LIST)) {
            Ok(page) => page,
            Err(error) if error.kind == ErrorKind::Unsupported && after.is_none() => return Ok(proof),
            Err(error) => return Err(error.at("target", name)),
        };
        let Some(page) = page else { break };
        if after.as_ref() == Some(&page.cursor) {
            return Err(Error::internal("sink/list", "the destination's list of ids does not end").at("target", name));
        }
        for id in &page.ids {
            let key = id_digest(name, id);
            match expected.ids.get(&key)? {
                Some(WANTED) => {
                    present += 1;
                    expected.ids.update(&key, |_| FOUND)?;
                }
                Some(_) => {
                    twice += 1;
                    found.tell(format!("'{name}': record '{id}' stands there twice"));
                }
                None => {
                    extra += 1;
                    if before == 0 {
                        found.tell(format!("'{name}': record '{id}' is not of this run"));
                    }
                }
            }
        }
        after = Some(page.cursor);
    }
    proof.missing = Some(expected.count.saturating_sub(present));
    proof.extra = Some(extra);
    proof.twice = twice;
    Ok(proof)
}

/// Where ids cannot be listed: asks for every one of them.
fn fetch_all(
    stores: Vec<Input>,
    expected: &mut Expected,
    refused: &HashSet<Digest>,
    sink: &mut dyn Sink,
    shared: &Shared,
) -> Result<Vec<Input>> {
    let target = expected.target.clone();
    pass(stores, shared, |parcel| {
        if shared.route(parcel.at)?.job.target.collection != target.collection {
            return Ok(());
        }
        let ids: Vec<String> = expected.rows(&parcel.batch, refused).flat_map(|(_, row)| row.ids).collect();
        for chunk in ids.chunks(FETCH) {
            let back = Retry::call(shared, "fetch", || sink.open(&target)?.fetch(chunk))?;
            for id in &back.ids {
                expected.ids.update(&id_digest(&target.collection, id), |known| known.map_or([0; 3], |_| FOUND))?;
            }
        }
        Ok(())
    })
}

fn missing(expected: &mut Expected) -> Result<u64> {
    let mut missing = 0;
    expected.ids.each(|_, state| missing += u64::from(state == WANTED))?;
    Ok(missing)
}

/// Tells which records are missing.
fn name_missing(stores: Vec<Input>, expected: &Expected, shared: &Shared, found: &mut Findings) -> Result<Vec<Input>> {
    let name = &expected.target.collection;
    pass(stores, shared, |parcel| {
        for (key, id) in parcel.page.ids.iter().zip(&parcel.batch.ids) {
            if expected.ids.get(key)? == Some(WANTED) {
                found.tell(format!("'{name}': record '{id}' is missing"));
            }
        }
        Ok(())
    })
}

/// Fetches records and compares them field by field. Those that are missing were told already.
fn check(
    expected: &Expected,
    rows: Vec<(Digest, Batch)>,
    written: Option<&Sample>,
    embedder: Option<&dyn Embedder>,
    sink: &mut dyn Sink,
    shared: &Shared,
    found: &mut Findings,
) -> Result<()> {
    let target = &expected.target;
    let mut rows = rows;
    rows.sort_by(|(_, a), (_, b)| a.ids.cmp(&b.ids));
    let mut wanted = Vec::with_capacity(rows.len());
    let mut anew = 0;
    for (key, mut record) in rows {
        let mut vector = Vector::Exact;
        if expected.embedded && record.vectors().is_none() {
            vector = match (written.and_then(|written| written.get(&key)), embedder) {
                (Some(known), _) => {
                    record.dense = known.dense.clone();
                    Vector::Exact
                }
                (None, Some(embedder)) if anew < EMBEDDED_ANEW => {
                    anew += 1;
                    record.dense = vec![shape::embed(embedder, &record, shared)?];
                    Vector::Close
                }
                _ => Vector::Any,
            };
        }
        wanted.push((record, vector));
    }
    for chunk in wanted.chunks(FETCH) {
        let altered = altered(target, chunk.iter().map(|(record, _)| record), sink)?;
        let ids: Vec<String> = chunk.iter().flat_map(|(record, _)| record.ids.first().cloned()).collect();
        let back = Retry::call(shared, "fetch", || sink.open(target)?.fetch(&ids))?;
        back.check()?;
        let places: HashMap<&str, usize> = back.ids.iter().map(String::as_str).zip(0..).collect();
        for ((record, vector), altered) in chunk.iter().zip(&altered) {
            let Some(id) = record.ids.first() else { continue };
            let Some(&row) = places.get(id.as_str()) else { continue };
            found.compared += 1;
            let wanted = Wanted { record, altered, vector: *vector };
            if let Some(difference) = compare::difference(&wanted, &back, row) {
                found.tell(format!("'{}': record '{id}' {difference}", target.collection));
            }
        }
    }
    Ok(())
}

/// What the sink says will read back otherwise, of each record.
fn altered<'b>(
    target: &Target,
    records: impl Iterator<Item = &'b Batch>,
    sink: &mut dyn Sink,
) -> Result<Vec<Vec<String>>> {
    records
        .map(|record| {
            let mut record = record.clone();
            if record.vectors().is_none()
                && let Some(dimension) = target.dimension
            {
                record.dense = vec![super::write::unit_vectors(dimension, record.len())];
            }
            let receipt = sink.rehearse(target, record)?;
            Ok(receipt.altered.into_iter().map(|altered| altered.field).collect())
        })
        .collect()
}

/// Where a model made the vectors, they are known to the destination only, and read back from there.
fn recall(expected: &mut Expected, sink: &mut dyn Sink, shared: &Shared) -> Result<Option<f64>> {
    let Some(exact) = &mut expected.exact else { return Ok(None) };
    let mut writer = open(sink, &expected.target, shared)?;
    if expected.embedded && expected.target.metric != Metric::Unknown {
        if expected.count > recall::MAX_VECTORS / 10 {
            return Ok(None);
        }
        let mut after: Option<Vec<u8>> = None;
        loop {
            let page = match Retry::call(shared, "list", || writer.list(after.as_deref(), FETCH as u32)) {
                Ok(Some(page)) => page,
                Ok(None) => break,
                Err(error) if error.kind == ErrorKind::Unsupported => return Ok(None),
                Err(error) => return Err(error),
            };
            let back = Retry::call(shared, "fetch", || writer.fetch(&page.ids))?;
            exact.ask(&back);
            exact.offer(&back, |_| true);
            after = Some(page.cursor);
        }
    }
    exact.recall(|query| {
        let answers = Retry::call(shared, "query", || writer.query(query.clone(), recall::K))?;
        Ok(answers.into_iter().next().unwrap_or_default())
    })
}
