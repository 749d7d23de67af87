/*!
One source as a component and as a native library, over one store, in turns: the same records, and the time of both.

usage: both_ways PLUGIN STORE [RUNS]
*/

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use vecferry_core::{Grants, Plugin, SourceGrant};
use vecferry_e2e::built;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let (name, store) = (arguments.next().expect("PLUGIN"), arguments.next().expect("STORE"));
    let runs: usize = arguments.next().map_or(5, |runs| runs.parse().expect("RUNS"));
    let runtime = vecferry_wasm::Runtime::new(vecferry_wasm::Options::default()).unwrap();
    let wasm: Arc<dyn Plugin> = runtime.load(&built().join(format!("plugins/{name}.wasm"))).unwrap();
    let library = format!("libvecferry_plugin_{name}.so");
    let native: Arc<dyn Plugin> = vecferry_native::load(&built().join(library)).unwrap();
    let store = Path::new(&store).canonicalize().unwrap();
    let mut times: Vec<(Duration, Duration)> = Vec::new();
    let mut rows = 0;
    for run in 0..=runs {
        let (a, b) = (read(&wasm, &store), read(&native, &store));
        assert_eq!((a.0, a.1), (b.0, b.1), "both ways give the same records");
        rows = a.0;
        if run > 0 {
            times.push((a.2, b.2));
        }
    }
    let median = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let wasm = median(times.iter().map(|(wasm, _)| wasm.as_secs_f64()).collect());
    let native = median(times.iter().map(|(_, native)| native.as_secs_f64()).collect());
    let ratio = median(times.iter().map(|(wasm, native)| wasm.as_secs_f64() / native.as_secs_f64()).collect());
    println!("{name}: {rows} records; wasm {wasm:.3} s, native {native:.3} s; wasm takes {ratio:.2} times as long");
}

/// Rows, a digest of everything that was read, and the time.
fn read(plugin: &Arc<dyn Plugin>, store: &Path) -> (usize, blake3::Hash, Duration) {
    let start = Instant::now();
    let grant = |files| Grants { source: Some(SourceGrant { root: store.to_owned(), files }), ..Grants::default() };
    let claims = plugin.source(grant(None), serde_json::json!({})).unwrap().detect().unwrap();
    let claim = claims.into_iter().max_by_key(|claim| claim.files.len()).expect("the store is recognised");
    let mut source = plugin.source(grant(Some(claim.files)), serde_json::json!({})).unwrap();
    let (mut rows, mut digest, mut aside) = (0, blake3::Hasher::new(), Duration::ZERO);
    for collection in source.discover().unwrap() {
        for split in source.plan(&collection.name, 1).unwrap() {
            let mut scan = source.open(&split, None).unwrap();
            while let Some(page) = scan.next(256, 4 << 20).unwrap() {
                let checking = Instant::now();
                rows += page.rows.len();
                for row in 0..page.rows.len() {
                    digest.update(page.rows.ids[row].as_bytes());
                    digest.update(page.rows.document(row).unwrap_or("").as_bytes());
                    digest.update(page.rows.metadata(row).as_bytes());
                    for value in page.rows.vectors().and_then(|dense| dense.row(row)).unwrap_or_default() {
                        digest.update(&value.to_le_bytes());
                    }
                }
                aside += checking.elapsed();
            }
        }
    }
    (rows, digest.finalize(), start.elapsed() - aside)
}
