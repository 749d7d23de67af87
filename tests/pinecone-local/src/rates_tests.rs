use super::*;

fn admitted(rates: &mut Rates, operation: Operation, namespace: &str, bytes: u64, now: Instant) -> bool {
    match rates.admit(&Asked { operation, index: "docs", namespace, bytes, now }) {
        Ok(()) => true,
        Err(refusal) => {
            assert_eq!(refusal.code, Code::TooManyRequests);
            false
        }
    }
}

#[test]
fn a_second_takes_so_many() {
    let cases = [
        ("upserts", Operation::Upsert, 100, true),
        ("queries", Operation::Query, 100, true),
        ("fetches", Operation::Fetch, 100, false),
        ("lists", Operation::List, 200, false),
    ];
    for (case, operation, most, per_namespace) in cases {
        let (mut rates, start) = (Rates::default(), Instant::now());
        assert!((0..most).all(|_| admitted(&mut rates, operation, "a", 10, start)), "{case}");
        assert!(!admitted(&mut rates, operation, "a", 10, start + Duration::from_millis(999)), "{case}");
        assert_eq!(admitted(&mut rates, operation, "b", 10, start), per_namespace, "{case}");
        assert!(admitted(&mut rates, operation, "a", 10, start + SECOND), "{case}: the next second");
    }
}

#[test]
fn a_second_takes_so_many_bytes() {
    let (mut rates, start) = (Rates::default(), Instant::now());
    assert!((0..25).all(|_| admitted(&mut rates, Operation::Upsert, "a", 2 * 1024 * 1024, start)));
    assert!(!admitted(&mut rates, Operation::Upsert, "a", 1, start));
    assert!(admitted(&mut rates, Operation::Upsert, "b", 1, start));
}

#[test]
fn other_calls_are_not_counted() {
    let (mut rates, start) = (Rates::default(), Instant::now());
    assert!((0..1000).all(|_| admitted(&mut rates, Operation::CreateNamespace, "a", 1, start)));
}
