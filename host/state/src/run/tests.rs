#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Instant;

use rusqlite::Connection;
use vecferry_core::ErrorKind;

use super::*;
use crate::StateFolder;

fn split() -> SplitName {
    SplitName { store: "store".to_owned(), collection: "c".to_owned(), split: "all".to_owned() }
}

fn page(number: u64, records: u64) -> Settled {
    let digest = |record: u64| (u128::from(number) << 64 | u128::from(record)).to_le_bytes();
    let ids: Vec<Digest> = (0..records).map(digest).collect();
    let counts = Counts { found: records, migrated: records, ..Counts::default() };
    Settled { counts, documents: ids.clone(), ids, ..Settled::default() }
}

#[test]
fn a_full_disk_keeps_all_of_a_commit_or_nothing_and_the_run_goes_on_afterwards() {
    let place = tempfile::tempdir().unwrap();
    let mut run = StateFolder::open(place.path()).create("{}").unwrap();
    let limit = |run: &Run, pages: u64| {
        run.view.database.connection.pragma_update(None, "max_page_count", to_sql(pages)).unwrap();
    };
    limit(&run, 100);
    let mut kept = 0;
    let error = loop {
        match run.commit(&split(), &[], vec![page(kept, 256), page(kept, 256)]) {
            Ok(()) => kept += 2,
            Err(error) => break error,
        }
    };
    assert!(kept > 10, "{kept}");
    assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Transient, "state/disk-full"));
    assert!(error.hint.is_some() && error.context("file").is_some());
    let there = |run: &Run| {
        let mut digests = 0;
        run.digests(&mut |seen| {
            digests += match seen {
                Seen::Ids(digests) | Seen::Documents(_, digests) => digests.len() as u64,
            };
            Ok(())
        })
        .unwrap();
        (run.splits().unwrap()[0].pages, run.summary().unwrap().counts.found, digests)
    };
    assert_eq!(there(&run), (kept, kept * 256, kept * 512));
    limit(&run, 10_000);
    run.commit(&split(), &[], vec![page(kept, 256)]).unwrap();
    kept += 1;
    assert_eq!(there(&run), (kept, kept * 256, kept * 512));
}

#[test]
fn another_program_at_the_database_is_a_thing_that_passes() {
    let place = tempfile::tempdir().unwrap();
    let mut run = StateFolder::open(place.path()).create("{}").unwrap();
    let other = Connection::open(run.folder().join("state.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = run.commit(&split(), &[], vec![page(0, 1)]).unwrap_err();
    assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Transient, "state/locked"));
    assert!(error.hint.is_some() && error.context("file").is_some());
    other.execute_batch("ROLLBACK").unwrap();
    run.commit(&split(), &[], vec![page(0, 1)]).unwrap();
}

/// Prints what checkpoints cost. The aim: less than 2 s for a million records, in a release build.
#[test]
#[ignore = "measures: `cargo test --release -p vecferry-state -- --ignored --nocapture a_million_records`"]
fn a_million_records() {
    const PAGES: u64 = 1_000_000 / 256;
    for together in [1, 78] {
        let place = tempfile::tempdir().unwrap();
        let mut run = StateFolder::open(place.path()).create("{}").unwrap();
        let pages: Vec<Settled> = (0..PAGES).map(|number| page(number, 256)).collect();
        let started = Instant::now();
        for (number, pages) in pages.chunks(together).enumerate() {
            run.commit(&split(), &number.to_le_bytes(), pages.to_vec()).unwrap();
        }
        let written = started.elapsed();
        run.finish(Status::Complete, None, None).unwrap();
        let (name, started) = (run.name().to_owned(), Instant::now());
        drop(run);
        let run = StateFolder::open(place.path()).open_run(&name).unwrap();
        let opened = started.elapsed();
        let started = Instant::now();
        let mut digests = 0;
        run.digests(&mut |seen| {
            let (Seen::Ids(block) | Seen::Documents(_, block)) = seen;
            digests += block.len();
            Ok(())
        })
        .unwrap();
        assert_eq!(digests as u64, PAGES * 512);
        let bytes = std::fs::metadata(run.folder().join("state.db")).unwrap().len();
        println!(
            "{together} pages a commit: {written:.2?}; opened again in {opened:.2?}, digests read in {:.2?}, {} MiB",
            started.elapsed(),
            bytes >> 20
        );
    }
}
