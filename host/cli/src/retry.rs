/*!
`vecferry retry`: the records of a run that their destination refused, once more. They are read from the run's own
state, as they were to be written; those that arrive are no longer rejected.

Records that the run itself rejected (two under one id, none to embed) stay: another try would end the same.
*/

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use vecferry_core::engine::{
    CollectionJob, Job, Letter, MemoryCheckpoint, Options, Rejected, SinkUse, StoreJob, Vectors,
};
use vecferry_core::ids::{IdTemplate, STORE_TEMPLATE};
use vecferry_core::{Alteration, Batch, Claim, Collection, Error, IdOrigin, Page, Result, Scan, Source, Split, Target};
use vecferry_state::{RecordNumber, RejectedRecord, Retried, Status};

use crate::args::{PluginArguments, RetryArguments};
use crate::destination::OfRun;
use crate::document::Document;
use crate::execute;
use crate::exit::Exit;
use crate::render;
use crate::runs::{self, Reopened};

/// Records that are read from the state at a time.
const PAGE: usize = 256;

pub(crate) fn run(arguments: &RetryArguments, plugins: &PluginArguments) -> Result<Exit> {
    let folder = runs::folder(&arguments.state);
    let name = runs::named(&folder, arguments.run.as_deref())?;
    let mut run = folder.open_run(&name)?;
    if !run.summary()?.status.is_finished() {
        return Err(Error::config("run/unfinished", format!("run {name} is not finished"))
            .hint(format!("go on with it first: vecferry resume {name}")));
    }
    let document = Document::parse(&run.plan_json()?)?;
    let Reopened { document, destination, ready, cancel, .. } = Reopened::of(document, plugins)?;
    let embedder = ready.map(|ready| ready.embedder);
    let of_run = OfRun { name: name.clone(), resumes: true };
    let factory = destination.factory(embedder.as_deref(), Some(&of_run));

    let (mut arrived, mut refused, mut left) = (0, 0, 0);
    let mut after = 0;
    loop {
        let page = run.rejected(after, PAGE)?;
        let Some(last) = page.last() else { break };
        after = last.number;
        let (again, stay): (Vec<_>, Vec<_>) =
            page.into_iter().partition(|record| record.rejected.at_destination && record.rejected.row.is_some());
        left += stay.len();
        for (target, records) in by_target(&document, again) {
            let job = Job {
                stores: vec![store(&target, &records)],
                sink: SinkUse::Write(Arc::clone(&factory)),
                embedder: embedder.clone(),
                options: Options { verify: false, batch_rows: document.options.batch_rows, ..Options::default() },
            };
            let mut checkpoint = MemoryCheckpoint::default();
            let outcome = execute::engine(job, &cancel, None, &mut checkpoint)?;
            let retried = settled(&records, &checkpoint);
            let new = retried.iter().filter(|one| one.outcome.is_ok()).count();
            arrived += new;
            refused += retried.len() - new;
            run.resolve(&retried)?;
            if let Some(error) = outcome.error {
                return Err(error.hint(format!("what arrived is kept; try the rest with: vecferry retry {name}")));
            }
        }
    }
    let status = if run.summary()?.counts.rejected == 0 { Status::Complete } else { Status::Partial };
    run.set_status(status)?;
    execute::export(&run, &arguments.tell)?;
    let mut text = format!("{:<11} {}\n", "Arrived", render::count(arrived as u64));
    text.push_str(&format!("{:<11} {}\n", "Refused", render::count(refused as u64)));
    if left > 0 {
        text.push_str(&format!("{:<11} {left} that the run itself rejected\n", "Not tried"));
    }
    render::result(&text);
    render::note(&format!("prove that all is there with: vecferry verify {name}"));
    Ok(if status == Status::Complete { Exit::Success } else { Exit::Partial })
}

/// Records by where they go.
fn by_target(document: &Document, records: Vec<RejectedRecord>) -> Vec<(Target, Vec<RejectedRecord>)> {
    let mut sorted: BTreeMap<String, Vec<RejectedRecord>> = BTreeMap::new();
    for record in records {
        sorted.entry(record.rejected.target.clone()).or_default().push(record);
    }
    let target =
        |name: &str| document.collections().map(|plan| &plan.target).find(|target| target.collection == name).cloned();
    sorted.into_iter().filter_map(|(name, records)| Some((target(&name)?, records))).collect()
}

fn store(target: &Target, records: &[RejectedRecord]) -> StoreJob {
    let collection = Collection {
        name: "rejected".to_owned(),
        rows: Some(records.len() as u64),
        dimension: target.dimension,
        metric: target.metric,
        id_origin: IdOrigin::Store,
        ..Collection::default()
    };
    let job = CollectionJob {
        collection,
        target: target.clone(),
        // What was to be written holds its vector already.
        vectors: Vectors::Reuse,
        id: IdTemplate::parse(STORE_TEMPLATE).unwrap_or_else(|_| IdTemplate::default_for(IdOrigin::Store)),
        splits: None,
    };
    let rows = records.iter().filter_map(|record| Some((record.number, record.rejected.row.clone()?))).collect();
    StoreJob { name: "rejected".to_owned(), source: Box::new(Rejections(rows)), another: None, collections: vec![job] }
}

/// What became of each record; those of which nothing is known are left out.
fn settled(records: &[RejectedRecord], checkpoint: &MemoryCheckpoint) -> Vec<Retried> {
    let done =
        checkpoint.cursors.values().filter_map(|cursor| Some(u64::from_le_bytes(cursor.as_slice().try_into().ok()?)));
    let done: RecordNumber = done.max().unwrap_or(0);
    let mut refused: HashMap<&str, &Rejected> = HashMap::new();
    let mut altered: HashMap<&str, Vec<Alteration>> = HashMap::new();
    for letter in &checkpoint.letters {
        match letter {
            Letter::Rejected(rejected) => {
                refused.insert(&rejected.id, rejected);
            }
            Letter::Altered(one) => {
                let alteration = Alteration { row: 0, field: one.field.clone(), code: one.code.clone() };
                altered.entry(&one.id).or_default().push(alteration);
            }
        }
    }
    let mut outcome = |id: &str| match refused.get(id) {
        Some(rejected) => Err(rejected.reason.clone()),
        None => Ok(altered.remove(id).unwrap_or_default()),
    };
    let settled = records.iter().filter(|record| record.number <= done);
    settled
        .map(|record| Retried { number: record.number, embedded: false, outcome: outcome(&record.rejected.id) })
        .collect()
}

/// Rejected records as a source: their numbers, and each as a batch of one row.
struct Rejections(Vec<(RecordNumber, Batch)>);

impl Source for Rejections {
    fn detect(&mut self) -> Result<Vec<Claim>> {
        Ok(Vec::new())
    }
    fn discover(&mut self) -> Result<Vec<Collection>> {
        Ok(Vec::new())
    }
    fn plan(&mut self, _collection: &str, _desired: u32) -> Result<Vec<Split>> {
        Ok(vec![Split { id: "all".to_owned(), payload: Vec::new(), rows: Some(self.0.len() as u64) }])
    }
    fn open<'a>(&'a mut self, _split: &Split, after: Option<&[u8]>) -> Result<Box<dyn Scan + 'a>> {
        let after = after.and_then(|cursor| cursor.try_into().ok()).map_or(0, u64::from_le_bytes);
        let next = self.0.partition_point(|(number, _)| *number <= after);
        Ok(Box::new(Remaining { rows: &self.0, next }))
    }
}

struct Remaining<'a> {
    rows: &'a [(RecordNumber, Batch)],
    next: usize,
}

impl Scan for Remaining<'_> {
    /// One record a page: their columns differ.
    fn next(&mut self, _max_rows: u32, _max_bytes: u64) -> Result<Option<Page>> {
        let Some((number, row)) = self.rows.get(self.next) else { return Ok(None) };
        self.next += 1;
        let cursor = number.to_le_bytes().to_vec();
        Ok(Some(Page { rows: row.clone(), cursor, changes: Vec::new(), unreadable: Vec::new() }))
    }
}
