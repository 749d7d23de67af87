//! Held against sqlite-vec, which nobody here wrote: its SQL functions work on our tables, and find what we find.

use crate::common::{Place, records, target, value};
use rusqlite::Connection;
use vecferry_sdk::{Dense, Metric};

/// A connection that has sqlite-vec.
#[allow(unsafe_code)]
fn with_sqlite_vec(place: &Place) -> Connection {
    type Init = rusqlite::auto_extension::RawAutoExtension;
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        // SAFETY: sqlite-vec declares its entry point without parameters; in C it is an extension's entry point
        // (sqlite-vec.h), which is what `Init` says. It is linked in, so the pointer stays valid.
        unsafe {
            let init: Init = std::mem::transmute::<*const (), Init>(sqlite_vec::sqlite3_vec_init as *const ());
            rusqlite::auto_extension::register_auto_extension(init).unwrap();
        }
    });
    place.sql()
}

#[test]
fn sqlite_vec_finds_the_same_neighbours_at_the_same_distances() {
    for (metric, function, dimension) in [
        (Metric::Cosine, "vec_distance_cosine", 384),
        (Metric::L2, "vec_distance_l2", 384),
        (Metric::Cosine, "vec_distance_cosine", 1),
        (Metric::L2, "vec_distance_l2", 20_000),
    ] {
        let place = Place::new();
        let target = target("docs", dimension, metric);
        place.write(&target, &records(0, 300, dimension));
        place.finish();
        let query: Vec<f32> = (0..dimension as usize).map(|column| value(1_000, column)).collect();
        let hits = place.writer(&target).query(&Dense::new(dimension, query.clone()), 10).unwrap().remove(0);

        let bytes: Vec<u8> = query.iter().flat_map(|value| value.to_le_bytes()).collect();
        let sql = format!(
            "SELECT r.id, {function}(v.vector, ?1) AS distance
             FROM vectors_1 v JOIN records_1 r USING (record) ORDER BY distance, record LIMIT 10"
        );
        let connection = with_sqlite_vec(&place);
        let mut statement = connection.prepare(&sql).unwrap();
        let judged: Vec<(String, f64)> =
            statement.query_map([&bytes], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect();
        assert_eq!(judged.len(), hits.len());
        for (hit, (id, distance)) in hits.iter().zip(&judged) {
            let ours = if metric == Metric::Cosine { 1.0 - f64::from(hit.score) } else { -f64::from(hit.score) };
            assert!((ours - distance).abs() < 1e-4 * distance.abs().max(1.0), "{function}: {ours} for {distance}");
            // In one dimension all of one sign are equally near.
            assert!(dimension == 1 || hit.id == *id, "{function}: {} for {id}", hit.id);
        }
    }
}
