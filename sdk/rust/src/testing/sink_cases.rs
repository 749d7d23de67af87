/*! The cases of [`sink_conformance`](super::sink_conformance). */

use std::collections::BTreeMap;
use std::error::Error as StdError;

use serde_json::Value as Json;

use super::sink_conformance::{Promises, SinkUnderTest};
use crate::{Batch, Dense, Error, ErrorKind, Metric, PrepareMode, Receipt, Sparse, Target, Writer};

type Outcome = std::result::Result<(), Box<dyn StdError>>;
type Again<'a> = &'a dyn Fn() -> Box<dyn SinkUnderTest>;

pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) applies: fn(&Promises) -> bool,
    pub(super) run: fn(&Promises, Again<'_>) -> Outcome,
}

macro_rules! ensure {
    ($holds:expr, $($words:tt)+) => {
        if !$holds {
            return Err(format!($($words)+).into());
        }
    };
}

const fn always(name: &'static str, run: fn(&Promises, Again<'_>) -> Outcome) -> Case {
    Case { name, applies: |_| true, run }
}

pub(super) const CASES: &[Case] = &[
    always("what was written is read back exactly", exact_read_back),
    always("a batch written twice stands once", written_twice),
    always("a record written again is replaced whole", replaced_whole),
    always("of two rows with one id the last stands", twice_in_a_batch),
    always("ids of every script", unicode_ids),
    always("an empty document is not a missing one", empty_documents),
    always("fetch leaves out what is not there", fetch_unknown),
    always("the list names every id once", listed),
    always("an empty batch changes nothing", empty_batch),
    always("rows at fault are named and the rest is stored", partial_rejection),
    always("a vector of another dimension is refused", wrong_dimension),
    always("queries put the nearest first", query_order),
    always("a query of another dimension is refused", query_dimension),
    always("collections are apart", collections_apart),
    always("preparing twice changes nothing", prepared_twice),
    always("a missing target is not made when it must exist", must_exist),
    always("another dimension or metric stops in prepare", mismatch),
    always("one dimension", |_, again| dimension(again, 1)),
    Case {
        name: "20,000 dimensions",
        applies: |p| p.max_dimension >= 20_000,
        run: |_, again| dimension(again, 20_000),
    },
    Case { name: "records without vectors", applies: |p| p.without_vectors, run: absent_vectors },
    Case { name: "a collection without vectors", applies: |p| p.without_vectors, run: no_dimension },
    Case { name: "named and sparse vectors", applies: |p| p.every_column, run: every_column },
    Case { name: "a finished destination is read again", applies: |p| p.reopens, run: reopened },
    Case { name: "a target that must be empty", applies: |p| p.reopens, run: must_be_empty },
];

/// One record as it can be compared: bits of the vector, not values.
#[derive(Clone, Debug, PartialEq)]
struct Record {
    vector: Option<Vec<u32>>,
    document: Option<String>,
    metadata: Json,
}

type Records = BTreeMap<String, Record>;

fn records(batch: &Batch) -> std::result::Result<Records, Box<dyn StdError>> {
    batch.check()?;
    let mut out = Records::new();
    for (row, id) in batch.ids.iter().enumerate() {
        let vector = batch.vectors().and_then(|dense| dense.row(row));
        let record = Record {
            vector: vector.map(|values| values.iter().map(|v| v.to_bits()).collect()),
            document: batch.document(row).map(str::to_owned),
            metadata: serde_json::from_str(batch.metadata(row))?,
        };
        ensure!(out.insert(id.clone(), record).is_none(), "id {id:?} came back twice");
    }
    Ok(out)
}

fn rows(rows: &[(&str, &[f32], Option<&str>, &str)]) -> Batch {
    Batch {
        ids: rows.iter().map(|row| row.0.to_owned()).collect(),
        dense: vec![Dense::new(
            rows.first().map_or(0, |row| u32::try_from(row.1.len()).unwrap_or(0)),
            rows.iter().flat_map(|row| row.1.to_vec()).collect(),
        )],
        sparse: Vec::new(),
        documents: Some(rows.iter().map(|row| row.2.map(str::to_owned)).collect()),
        metadata: Some(rows.iter().map(|row| row.3.to_owned()).collect()),
    }
}

fn target(dimension: u32) -> Target {
    Target { collection: "docs".into(), dimension: Some(dimension), metric: Metric::Cosine }
}

/// A repeatable value in -0.5..0.5 for a place.
fn value(row: usize, column: usize) -> f32 {
    let mut x =
        (row as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (column as u64 + 1).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 30)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (x >> 40) as f32 / 16_777_216.0 - 0.5
}

fn numbered(count: usize, dimension: u32) -> Batch {
    let values = (0..count).flat_map(|row| (0..dimension as usize).map(move |column| value(row, column))).collect();
    Batch {
        ids: (0..count).map(|row| format!("doc-{row}")).collect(),
        dense: vec![Dense::new(dimension, values)],
        sparse: Vec::new(),
        documents: Some((0..count).map(|row| Some(format!("text {row}"))).collect()),
        metadata: Some((0..count).map(|row| format!(r#"{{"row":{row}}}"#)).collect()),
    }
}

fn prepared(again: Again<'_>, target: &Target) -> crate::Result<Box<dyn SinkUnderTest>> {
    let mut sink = again();
    sink.check()?;
    sink.prepare(target, PrepareMode::CreateIfMissing)?;
    Ok(sink)
}

/// Writes a batch that must be accepted whole. Returns what the sink said will read back otherwise.
fn store(writer: &mut dyn Writer, batch: &Batch) -> std::result::Result<Vec<crate::Alteration>, Box<dyn StdError>> {
    let receipt = writer.write(batch)?;
    ensure!(receipt.rejected.is_empty(), "rows were rejected: {:?}", receipt.rejected);
    ensure!(receipt.accepted as usize == batch.len(), "{} of {} rows accepted", receipt.accepted, batch.len());
    writer.flush()?;
    Ok(receipt.altered)
}

fn expect(writer: &mut dyn Writer, ids: &[String], want: &Records) -> Outcome {
    let have = records(&writer.fetch(ids)?)?;
    for (id, record) in want {
        ensure!(have.get(id) == Some(record), "id {id:?}: {:?}, written was {record:?}", have.get(id));
    }
    ensure!(have.len() == want.len(), "{} records came back for {}", have.len(), want.len());
    let count = writer.count()?;
    ensure!(count == want.len() as u64, "count says {count} for {} records", want.len());
    Ok(())
}

/// Writes a batch into a fresh target and reads it back: equal, but for the metadata that the sink said it alters.
fn round_trip(again: Again<'_>, target: &Target, batch: &Batch) -> Outcome {
    let mut sink = prepared(again, target)?;
    let mut writer = sink.open(target)?;
    let altered = store(&mut *writer, batch)?;
    let mut want = records(batch)?;
    let mut have = records(&writer.fetch(&batch.ids)?)?;
    for alteration in &altered {
        let (id, key) = (batch.ids.get(alteration.row as usize), alteration.field.strip_prefix("metadata/"));
        let (Some(id), Some(key)) = (id, key) else {
            return Err(format!("only metadata may be altered here: {alteration:?}").into());
        };
        for record in [want.get_mut(id), have.get_mut(id)].into_iter().flatten() {
            record.metadata.as_object_mut().and_then(|fields| fields.remove(key));
        }
    }
    for (id, record) in &want {
        ensure!(have.get(id) == Some(record), "id {id:?}: {:?}, written was {record:?}", have.get(id));
    }
    let (found, count) = (have.len(), writer.count()?);
    ensure!(found == want.len(), "{found} records came back for {}", want.len());
    ensure!(count == want.len() as u64, "count says {count} for {} records", want.len());
    drop(writer);
    Ok(sink.finish()?)
}

fn refused(what: &str, answer: crate::Result<Receipt>, row: u32) -> Outcome {
    match answer {
        // An error of these kinds makes the engine bisect the batch down to the row.
        Err(e) => ensure!(matches!(e.kind, ErrorKind::Corrupt | ErrorKind::Unsupported), "{what}: {:?}: {e}", e.kind),
        Ok(receipt) => {
            let rejected = receipt.rejected.iter().any(|rejection| rejection.row == row);
            ensure!(rejected, "{what}: row {row} was not rejected: {receipt:?}");
        }
    }
    Ok(())
}

fn fails<T>(
    what: &str,
    answer: crate::Result<T>,
    kinds: &[ErrorKind],
) -> std::result::Result<Error, Box<dyn StdError>> {
    match answer {
        Ok(_) => Err(format!("{what} was let through").into()),
        Err(e) if kinds.contains(&e.kind) && !e.message.is_empty() => Ok(e),
        Err(e) => Err(format!("{what}: an error of kind {:?} for {kinds:?}: {e}", e.kind).into()),
    }
}

fn exact_read_back(_: &Promises, again: Again<'_>) -> Outcome {
    let edges = [0.1, -0.0, 1.0 / 3.0, f32::MIN_POSITIVE, 1e-45, f32::MAX, 16_777_217.0, -1.000_000_1];
    let plain = [1.0; 8];
    let batch = rows(&[
        (
            "edges",
            &edges,
            Some("ends of the range of f32"),
            r#"{"big":9007199254740993,"negative":-9223372036854775808}"#,
        ),
        (
            "nested",
            &plain,
            Some("line\nbreak, \"quotes\", \\, tab\t, \u{1}"),
            r#"{"a":{"b":[1,null,{"c":"é"}]},"e":1e-7}"#,
        ),
        ("spaced", &plain, Some("über 語 🚢"), "{\n  \"a\" : [ 1.5 ,\r\n true ]\n}"),
        ("bare", &plain, None, "{}"),
    ]);
    round_trip(again, &target(8), &batch)
}

fn written_twice(_: &Promises, again: Again<'_>) -> Outcome {
    let (target, batch) = (target(4), numbered(20, 4));
    let mut sink = prepared(again, &target)?;
    let mut writer = sink.open(&target)?;
    store(&mut *writer, &batch)?;
    store(&mut *writer, &batch)?;
    expect(&mut *writer, &batch.ids, &records(&batch)?)?;
    drop(writer);
    // A second writer continues, as after an error.
    let mut writer = sink.open(&target)?;
    store(&mut *writer, &batch)?;
    expect(&mut *writer, &batch.ids, &records(&batch)?)?;
    drop(writer);
    Ok(sink.finish()?)
}

fn replaced_whole(promises: &Promises, again: Again<'_>) -> Outcome {
    let target = target(2);
    let mut sink = prepared(again, &target)?;
    let mut writer = sink.open(&target)?;
    store(
        &mut *writer,
        &rows(&[("a", &[1.0, 2.0], Some("old"), r#"{"old":1}"#), ("b", &[3.0, 4.0], Some("b"), "{}")]),
    )?;
    let mut new = rows(&[("a", &[5.0, 6.0], None, r#"{"new":2}"#), ("c", &[7.0, 8.0], Some("c"), "{}")]);
    if promises.without_vectors {
        new.dense = vec![Dense { absent: vec![0], ..Dense::new(2, vec![0.0, 0.0, 7.0, 8.0]) }];
    }
    store(&mut *writer, &new)?;
    let mut want = records(&new)?;
    want.extend(records(&rows(&[("b", &[3.0, 4.0], Some("b"), "{}")]))?);
    expect(&mut *writer, &["a".into(), "b".into(), "c".into()], &want)?;
    let hits = writer.query(&Dense::new(2, vec![1.0, 2.0]), 10)?;
    let found = hits.first().map_or(0, Vec::len);
    let with_vectors = if promises.without_vectors { 2 } else { 3 };
    ensure!(found == with_vectors, "a query finds {found} records for {with_vectors}: {hits:?}");
    Ok(())
}

fn twice_in_a_batch(_: &Promises, again: Again<'_>) -> Outcome {
    let target = target(1);
    let mut sink = prepared(again, &target)?;
    let mut writer = sink.open(&target)?;
    writer.write(&rows(&[
        ("a", &[1.0], Some("first"), "{}"),
        ("b", &[2.0], None, "{}"),
        ("a", &[3.0], Some("last"), "{}"),
    ]))?;
    writer.flush()?;
    let want = rows(&[("b", &[2.0], None, "{}"), ("a", &[3.0], Some("last"), "{}")]);
    expect(&mut *writer, &want.ids, &records(&want)?)
}

fn unicode_ids(_: &Promises, again: Again<'_>) -> Outcome {
    let long = "語".repeat(80);
    // é as one character and as two are two ids; case and spaces count.
    let ids = ["Привет", "🚢⚓", "e\u{301}", "\u{e9}", "a b", " a b", "A B", "\"'\\/%_?*", "line\nbreak", "_", &long];
    let values: Vec<[f32; 1]> = (0..ids.len()).map(|row| [value(row, 0)]).collect();
    let batch: Vec<_> = ids.iter().zip(&values).map(|(id, value)| (*id, &value[..], Some(*id), "{}")).collect();
    round_trip(again, &target(1), &rows(&batch))
}

fn empty_documents(_: &Promises, again: Again<'_>) -> Outcome {
    round_trip(again, &target(1), &rows(&[("empty", &[1.0], Some(""), "{}"), ("none", &[2.0], None, "{}")]))
}

fn fetch_unknown(_: &Promises, again: Again<'_>) -> Outcome {
    let (target, batch) = (target(3), numbered(5, 3));
    let mut sink = prepared(again, &target)?;
    let mut writer = sink.open(&target)?;
    let empty = writer.fetch(&["doc-1".into()])?;
    ensure!(empty.is_empty() && writer.count()? == 0, "an empty target holds {:?}", empty.ids);
    store(&mut *writer, &batch)?;
    let asked = ["missing", "doc-3", "", "doc-3", "DOC-1"].map(str::to_owned);
    let have = writer.fetch(&asked)?;
    ensure!(have.ids == ["doc-3"], "asked for {asked:?}, came back {:?}", have.ids);
    let none = writer.fetch(&[])?;
    none.check()?;
    ensure!(none.is_empty(), "asked for nothing, came back {:?}", none.ids);
    Ok(())
}

/// Asked only of a sink that lists at all.
fn listed(_: &Promises, again: Again<'_>) -> Outcome {
    let (target, other) = (target(2), Target { collection: "other".into(), ..target(2) });
    let mut sink = prepared(again, &target)?;
    sink.prepare(&other, PrepareMode::CreateIfMissing)?;
    store(&mut *sink.open(&other)?, &numbered(7, 2))?;
    let batch = numbered(25, 2);
    for rows in [0..25, 3..9] {
        let rows: Vec<usize> = rows.collect();
        let mut writer = sink.open(&target)?;
        store(&mut *writer, &batch.select(&rows))?;
        writer.settle()?;
    }
    let mut writer = sink.open(&target)?;
    for max in [1, 4, 100] {
        let (mut ids, mut after) = (Vec::new(), None);
        loop {
            match writer.list(after.as_deref(), max) {
                Err(error) if error.kind == ErrorKind::Unsupported && after.is_none() => return Ok(()),
                Err(error) => return Err(error.into()),
                Ok(None) => break,
                Ok(Some(page)) => {
                    ensure!(after.as_ref() != Some(&page.cursor), "the cursor of a list of ids does not move");
                    ids.extend(page.ids);
                    after = Some(page.cursor);
                }
            }
        }
        ids.sort_unstable();
        let mut want = batch.ids.clone();
        want.sort_unstable();
        ensure!(ids == want, "by pages of {max} the list names {ids:?}, not {want:?}");
    }
    Ok(())
}

fn empty_batch(_: &Promises, again: Again<'_>) -> Outcome {
    let target = target(3);
    let mut sink = prepared(again, &target)?;
    let mut writer = sink.open(&target)?;
    store(&mut *writer, &Batch::default())?;
    store(&mut *writer, &numbered(0, 3))?;
    ensure!(writer.count()? == 0, "{} records after writing none", writer.count()?);
    let hits = writer.query(&Dense::new(3, vec![1.0; 3]), 5)?;
    ensure!(hits == vec![vec![]], "an empty target found {hits:?}");
    drop(writer);
    Ok(sink.finish()?)
}

fn partial_rejection(_: &Promises, again: Again<'_>) -> Outcome {
    let target = target(1);
    let mut sink = prepared(again, &target)?;
    let mut writer = sink.open(&target)?;
    for (bad, what) in [(r#"{"a":"#, "cut off"), ("[1]", "no object"), ("", "no JSON"), ("{} {}", "two values")] {
        let good = rows(&[("before", &[1.0], Some("x"), "{}"), ("after", &[2.0], Some("y"), "{}")]);
        let batch = rows(&[
            ("before", &[1.0], Some("x"), "{}"),
            ("bad", &[9.0], None, bad),
            ("after", &[2.0], Some("y"), "{}"),
        ]);
        let receipt = writer.write(&batch)?;
        let [rejection] = &receipt.rejected[..] else {
            return Err(format!("metadata that is {what}: {receipt:?}").into());
        };
        ensure!(rejection.row == 1, "metadata that is {what}: row {} was named", rejection.row);
        ensure!(
            rejection.reason.context("id") == Some("bad"),
            "metadata that is {what}: {} names no id",
            rejection.reason
        );
        ensure!(receipt.accepted == 2, "metadata that is {what}: {} rows accepted", receipt.accepted);
        writer.flush()?;
        expect(&mut *writer, &batch.ids, &records(&good)?)?;
    }
    Ok(())
}

fn wrong_dimension(_: &Promises, again: Again<'_>) -> Outcome {
    let target = target(3);
    let mut sink = prepared(again, &target)?;
    let mut writer = sink.open(&target)?;
    refused("2 values for 3", writer.write(&numbered(1, 2)), 0)?;
    refused("4 values for 3", writer.write(&numbered(1, 4)), 0)?;
    ensure!(writer.count()? == 0, "{} records of another dimension are there", writer.count()?);
    Ok(())
}

fn query_order(_: &Promises, again: Again<'_>) -> Outcome {
    let stored = rows(&[
        ("same", &[1.0, 0.0], None, "{}"),
        ("far along", &[10.0, 1.0], None, "{}"),
        ("across", &[0.0, 1.0], None, "{}"),
        ("against", &[-1.0, 0.0], None, "{}"),
    ]);
    let orders = [
        (Metric::Cosine, ["same", "far along", "across", "against"]),
        (Metric::Dot, ["far along", "same", "across", "against"]),
        (Metric::L2, ["same", "across", "against", "far along"]),
    ];
    for (metric, want) in orders {
        let target = Target { collection: metric.as_str().into(), metric, dimension: Some(2) };
        let mut sink = prepared(again, &target)?;
        let mut writer = sink.open(&target)?;
        store(&mut *writer, &stored)?;
        for k in [1, 3, 100] {
            let answers = writer.query(&Dense::new(2, vec![1.0, 0.0, 1.0, 0.0]), k)?;
            ensure!(answers.len() == 2, "{} answers to 2 queries", answers.len());
            for hits in answers {
                let have: Vec<&str> = hits.iter().map(|hit| hit.id.as_str()).collect();
                let want = &want[..want.len().min(k as usize)];
                ensure!(have == want, "{metric:?}, k = {k}: {have:?} for {want:?}");
                let falling = hits.windows(2).all(|pair| pair[0].score >= pair[1].score);
                ensure!(falling, "{metric:?}, k = {k}: scores do not fall: {hits:?}");
            }
        }
    }
    Ok(())
}

fn query_dimension(_: &Promises, again: Again<'_>) -> Outcome {
    let target = target(3);
    let mut sink = prepared(again, &target)?;
    let mut writer = sink.open(&target)?;
    store(&mut *writer, &numbered(3, 3))?;
    let kinds = [ErrorKind::Config, ErrorKind::Unsupported];
    fails("a query of 2 values", writer.query(&Dense::new(2, vec![1.0, 2.0]), 1), &kinds)?;
    Ok(())
}

fn collections_apart(_: &Promises, again: Again<'_>) -> Outcome {
    let mut sink = again();
    let other = Target { collection: "other 語 \"x\"; --".into(), ..target(2) };
    let batches = [(target(1), numbered(3, 1)), (other, numbered(5, 2))];
    for (target, _) in &batches {
        sink.prepare(target, PrepareMode::CreateIfMissing)?;
    }
    for (target, batch) in &batches {
        let mut writer = sink.open(target)?;
        store(&mut *writer, batch)?;
    }
    for (target, batch) in &batches {
        let mut writer = sink.open(target)?;
        expect(&mut *writer, &batch.ids, &records(batch)?)?;
    }
    Ok(sink.finish()?)
}

fn prepared_twice(_: &Promises, again: Again<'_>) -> Outcome {
    let (target, batch) = (target(2), numbered(3, 2));
    let mut sink = prepared(again, &target)?;
    store(&mut *sink.open(&target)?, &batch)?;
    sink.prepare(&target, PrepareMode::CreateIfMissing)?;
    expect(&mut *sink.open(&target)?, &batch.ids, &records(&batch)?)
}

fn must_exist(promises: &Promises, again: Again<'_>) -> Outcome {
    let missing = again().prepare(&target(2), PrepareMode::MustExist);
    let kinds: &[ErrorKind] =
        if promises.reopens { &[ErrorKind::NotFound] } else { &[ErrorKind::NotFound, ErrorKind::Unsupported] };
    fails("a target that is missing", missing, kinds)?;
    Ok(())
}

fn mismatch(_: &Promises, again: Again<'_>) -> Outcome {
    let mut sink = prepared(again, &target(3))?;
    store(&mut *sink.open(&target(3))?, &numbered(2, 3))?;
    let other_metric = Target { metric: Metric::L2, ..target(3) };
    for (other, words) in [(target(4), ["3", "4"]), (other_metric, ["cosine", "l2"])] {
        let error = fails("a mismatch", sink.prepare(&other, PrepareMode::CreateIfMissing), &[ErrorKind::Config])?;
        ensure!(words.iter().all(|word| error.message.contains(word)), "{error} does not say both {words:?}");
    }
    let batch = numbered(2, 3);
    expect(&mut *sink.open(&target(3))?, &batch.ids, &records(&batch)?)
}

fn dimension(again: Again<'_>, dimension: u32) -> Outcome {
    let (target, batch) = (target(dimension), numbered(7, dimension));
    let mut sink = prepared(again, &target)?;
    let mut writer = sink.open(&target)?;
    store(&mut *writer, &batch)?;
    expect(&mut *writer, &batch.ids, &records(&batch)?)?;
    let query = batch.vectors().and_then(|dense| dense.row(4)).unwrap_or_default().to_vec();
    let hits = writer.query(&Dense::new(dimension, query), 7)?;
    let best = hits.first().and_then(|hits| hits.first());
    // In one dimension all vectors of one sign have one angle.
    let same = |id: &str| {
        id == "doc-4"
            || (dimension == 1
                && batch
                    .ids
                    .iter()
                    .position(|x| x == id)
                    .is_some_and(|row| value(row, 0).signum() == value(4, 0).signum()))
    };
    ensure!(best.is_some_and(|hit| same(&hit.id)), "a stored vector is not its own nearest: {best:?}");
    Ok(())
}

fn absent_vectors(_: &Promises, again: Again<'_>) -> Outcome {
    let mut batch = numbered(4, 2);
    batch.dense = vec![Dense { absent: vec![0, 2], ..Dense::new(2, vec![0.0, 0.0, 1.0, 2.0, 0.0, 0.0, 3.0, 4.0]) }];
    let target = target(2);
    let mut sink = prepared(again, &target)?;
    let mut writer = sink.open(&target)?;
    store(&mut *writer, &batch)?;
    let without = Batch { dense: Vec::new(), ids: (4..6).map(|row| format!("doc-{row}")).collect(), ..numbered(2, 2) };
    store(&mut *writer, &without)?;
    let mut want = records(&batch)?;
    want.extend(records(&without)?);
    expect(&mut *writer, &numbered(6, 2).ids, &want)?;
    let hits = writer.query(&Dense::new(2, vec![1.0, 2.0]), 10)?;
    ensure!(hits.first().is_some_and(|hits| hits.len() == 2), "2 records have vectors, a query finds {hits:?}");
    Ok(())
}

fn no_dimension(_: &Promises, again: Again<'_>) -> Outcome {
    let target = Target { collection: "texts".into(), dimension: None, metric: Metric::Unknown };
    let batch = Batch { dense: Vec::new(), ..numbered(3, 2) };
    round_trip(again, &target, &batch)?;
    let mut sink = prepared(again, &target)?;
    let answer = sink.open(&target)?.query(&Dense::new(2, vec![1.0, 2.0]), 1);
    fails("a query of texts", answer, &[ErrorKind::Config, ErrorKind::Unsupported])?;
    Ok(())
}

fn every_column(_: &Promises, again: Again<'_>) -> Outcome {
    let target = target(2);
    let mut batch = numbered(3, 2);
    batch.dense[0].name = "title".into();
    let body = Dense {
        name: "body".into(),
        absent: vec![1],
        ..Dense::new(3, vec![1.0, 2.0, 3.0, 0.0, 0.0, 0.0, 4.0, 5.0, 6.0])
    };
    batch.dense.push(body);
    let (indices, values) = (vec![3, 4_000_000_000, 0], vec![0.5, -1.0, 2.0]);
    batch.sparse = vec![Sparse { name: "bm25".into(), offsets: vec![0, 2, 2, 3], indices, values }];
    let mut sink = prepared(again, &target)?;
    let mut writer = sink.open(&target)?;
    store(&mut *writer, &batch)?;
    for (row, id) in batch.ids.iter().enumerate() {
        let have = writer.fetch(std::slice::from_ref(id))?;
        have.check()?;
        let keep: Vec<bool> = (0..3).map(|other| other == row).collect();
        let want = batch.clone().filter(&keep);
        for dense in &want.dense {
            let column = have.dense.iter().find(|column| column.name == dense.name);
            let same = column.and_then(|column| column.row(0)) == dense.row(0);
            ensure!(same, "id {id}, vector {:?}: {column:?} for {dense:?}", dense.name);
        }
        let sparse: Vec<&Sparse> = have.sparse.iter().filter(|column| !column.indices.is_empty()).collect();
        let wanted: Vec<&Sparse> = want.sparse.iter().filter(|column| !column.indices.is_empty()).collect();
        ensure!(sparse == wanted, "id {id}: {sparse:?} for {wanted:?}");
    }
    Ok(())
}

fn reopened(_: &Promises, again: Again<'_>) -> Outcome {
    let (target, batch) = (target(2), numbered(9, 2));
    round_trip(again, &target, &batch)?;
    let anything = Target { dimension: None, metric: Metric::Unknown, ..target.clone() };
    let mut sink = again();
    sink.prepare(&anything, PrepareMode::MustExist)?;
    expect(&mut *sink.open(&anything)?, &batch.ids, &records(&batch)?)?;
    drop(sink);
    let mut sink = again();
    sink.prepare(&target, PrepareMode::MustExist)?;
    store(&mut *sink.open(&target)?, &numbered(12, 2))?;
    sink.finish()?;
    let all = numbered(12, 2);
    expect(&mut *again().open(&target)?, &all.ids, &records(&all)?)
}

fn must_be_empty(_: &Promises, again: Again<'_>) -> Outcome {
    let target = target(2);
    again().prepare(&target, PrepareMode::MustBeEmpty)?;
    let mut sink = again();
    sink.prepare(&target, PrepareMode::MustBeEmpty)?;
    store(&mut *sink.open(&target)?, &numbered(1, 2))?;
    sink.finish()?;
    fails("a target with a record", again().prepare(&target, PrepareMode::MustBeEmpty), &[ErrorKind::Config])?;
    Ok(())
}
