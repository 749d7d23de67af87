/*! Commits that anyone can make again from their number, and what they must add up to. */

#![allow(dead_code, unreachable_pub)]

use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};

use vecferry_core::engine::{Altered, Checkpoint, Digest, Letter, Rejected, Resumed, Seen, Settled, SplitName};
use vecferry_core::report::Counts;
use vecferry_core::{Batch, Change, Dense, Error};
use vecferry_state::{Run, RunView};

/// Where a process that a test starts finds its state folder and its run.
pub const FOLDER: &str = "VECFERRY_STATE_TEST_FOLDER";
pub const RUN: &str = "VECFERRY_STATE_TEST_RUN";

/// One call of [`Checkpoint::commit`].
pub struct Commit {
    pub split: SplitName,
    pub cursor: Vec<u8>,
    pub pages: Vec<Settled>,
}

/// Commit number `number`: one to three pages of one of two stores.
pub fn commit(number: u64) -> Commit {
    let store = format!("store {}", number % 2);
    let split = SplitName { store, collection: "c".to_owned(), split: format!("{}", number % 4) };
    let pages = (0..=number % 3).map(|page| settled(number, page)).collect();
    Commit { split, cursor: number.to_le_bytes().to_vec(), pages }
}

fn settled(number: u64, page: u64) -> Settled {
    let found = 3 + (number + page) % 5;
    let rejected = u64::from(number.is_multiple_of(3));
    let ids: Vec<Digest> = (0..found).map(|record| digest(number, page, record)).collect();
    let mut letters = Vec::new();
    for _ in 0..rejected {
        letters.push(Letter::Rejected(rejection(&format!("r{number}/{page}"), number.is_multiple_of(2))));
    }
    if number.is_multiple_of(5) {
        let (target, id) = ("docs".to_owned(), format!("a{number}/{page}"));
        let (field, code) = ("metadata/x".to_owned(), "metadata/null-dropped".to_owned());
        letters.push(Letter::Altered(Altered { target, id, field, code }));
    }
    Settled {
        counts: Counts { found, duplicates: 1, embedded: found - 1, migrated: found - 1 - rejected, rejected },
        changes: vec![Change { code: format!("code/{}", number % 3), records: 2 }],
        letters,
        documents: ids.iter().copied().skip(1).collect(),
        ids,
    }
}

pub fn digest(number: u64, page: u64, record: u64) -> Digest {
    let mut digest = [0; 16];
    digest[..8].copy_from_slice(&number.to_le_bytes());
    digest[8..].copy_from_slice(&(page << 32 | record).to_le_bytes());
    digest
}

pub fn rejection(id: &str, at_destination: bool) -> Rejected {
    let row = Batch {
        ids: vec![id.to_owned()],
        dense: vec![Dense::new(2, vec![0.1, -0.0])],
        documents: Some(vec![Some(format!("text of {id}"))]),
        metadata: Some(vec!["{\"x\": 1}".to_owned()]),
        ..Batch::default()
    };
    let reason = Error::corrupt("test/refused", "it does not fit").hint("cut it").at("id", id);
    Rejected { target: "docs".to_owned(), id: id.to_owned(), reason, at_destination, row: Some(row) }
}

/// What a run must hold.
#[derive(Debug, Default, PartialEq)]
pub struct Kept {
    pub cursors: HashMap<SplitName, Vec<u8>>,
    pub pages: BTreeMap<SplitName, u64>,
    pub counts: BTreeMap<(String, String), Counts>,
    pub changes: BTreeMap<String, u64>,
    pub refused: Vec<(String, String)>,
    pub rejected: Vec<(String, Rejected)>,
    pub altered: Vec<(String, Altered)>,
    pub ids: Vec<Digest>,
    pub documents: Vec<(String, Vec<Digest>)>,
}

impl Kept {
    /// After these commits.
    pub fn after(commits: impl IntoIterator<Item = Commit>) -> Self {
        let mut kept = Kept::default();
        for Commit { split, cursor, pages } in commits {
            let store = split.store.clone();
            *kept.pages.entry(split.clone()).or_default() += pages.len() as u64;
            for page in pages {
                let counts = kept.counts.entry((store.clone(), split.collection.clone())).or_default();
                counts.add(&page.counts);
                for change in page.changes {
                    *kept.changes.entry(change.code).or_default() += u64::from(change.records);
                }
                for letter in page.letters {
                    match letter {
                        Letter::Rejected(rejected) => {
                            if rejected.at_destination {
                                kept.refused.push((rejected.target.clone(), rejected.id.clone()));
                            }
                            kept.rejected.push((store.clone(), rejected));
                        }
                        Letter::Altered(altered) => kept.altered.push((store.clone(), altered)),
                    }
                }
                kept.ids.extend(page.ids);
                kept.documents.push((store.clone(), page.documents));
            }
            kept.cursors.insert(split, cursor);
        }
        kept
    }

    /// What a run holds.
    pub fn of(run: &Run) -> Self {
        let Resumed { cursors, counts, changes, before: _, refused } = run.resumed().unwrap();
        let mut kept = Kept { cursors, counts, changes, refused, ..Kept::default() };
        kept.pages = run.splits().unwrap().into_iter().map(|split| (split.name, split.pages)).collect();
        kept.rejected = rejected(run).into_iter().map(|record| (record.store, record.rejected)).collect();
        kept.altered =
            run.altered(0, usize::MAX).unwrap().into_iter().map(|record| (record.store, record.altered)).collect();
        run.digests(&mut |seen| {
            match seen {
                Seen::Ids(digests) => {
                    assert!(kept.documents.is_empty(), "ids come first");
                    kept.ids.extend_from_slice(digests);
                }
                Seen::Documents(store, digests) => kept.documents.push((store.to_owned(), digests.to_vec())),
            }
            Ok(())
        })
        .unwrap();
        kept
    }
}

/// Makes a commit.
pub fn make(run: &mut Run, number: u64) -> vecferry_core::Result<()> {
    let Commit { split, cursor, pages } = commit(number);
    run.commit(&split, &cursor, pages)
}

/// How many commits a run holds: the highest cursor is the number of the last one.
pub fn committed(run: &Run) -> u64 {
    let numbers = run.splits().unwrap().into_iter().map(|split| u64::from_le_bytes(split.cursor.try_into().unwrap()));
    numbers.max().map_or(0, |last| last + 1)
}

/// All rejected records, page by page.
pub fn rejected(run: &RunView) -> Vec<vecferry_state::RejectedRecord> {
    let mut all = Vec::new();
    loop {
        let after = all.last().map_or(0, |record: &vecferry_state::RejectedRecord| record.number);
        let page = run.rejected(after, 7).unwrap();
        if page.is_empty() {
            return all;
        }
        all.extend(page);
    }
}

/// A process that runs one ignored test of this very program over a run.
pub struct Other {
    pub child: Child,
    pub lines: std::io::Lines<BufReader<ChildStdout>>,
}

impl Other {
    pub fn start(test: &str, folder: &std::path::Path, run: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", test, "--nocapture", "--test-threads=1"])
            .env(FOLDER, folder)
            .env(RUN, run)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Other { child, lines }
    }

    /// The next number that it says; `None` at its end.
    pub fn number(&mut self) -> Option<u64> {
        self.lines.by_ref().find_map(|line| line.unwrap().strip_prefix("committed ")?.parse().ok())
    }

    /// SIGKILL; what it had said until then and was not read yet.
    pub fn kill(mut self) -> Vec<u64> {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        std::iter::from_fn(|| self.number()).collect()
    }
}
