#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::cell::Cell;
use std::path::Path;

use crate::Error;
use crate::testing::folder_host;

#[test]
fn one_value_is_kept_and_dropped_before_the_next_is_made() {
    struct Alive<'a>(&'a Cell<i32>, i32);
    impl Drop for Alive<'_> {
        fn drop(&mut self) {
            self.0.set(self.0.get() - 1);
        }
    }
    let alive: &'static Cell<i32> = Box::leak(Box::new(Cell::new(0)));
    let made = Cell::new(0);
    let host = folder_host(Path::new("."));
    let make = |value: i32| {
        assert_eq!(alive.get(), 0, "an earlier value lives while {value} is made");
        alive.set(1);
        made.set(made.get() + 1);
        Ok(Alive(alive, value))
    };
    // Key asked for, value if it is made, value that comes, values made so far.
    for (key, value, comes, so_far) in [("a", 1, 1, 1), ("a", 2, 1, 1), ("b", 3, 3, 2), ("b", 4, 3, 2), ("a", 5, 5, 3)]
    {
        let got = host.clone().keep(key, || make(value)).unwrap();
        assert_eq!((got.1, made.get()), (comes, so_far), "{key} {value}");
    }
    // Another type under the same key is another value.
    assert_eq!(*host.keep("a", || Ok("text".to_owned())).unwrap(), "text");
    // A failure keeps nothing.
    assert!(host.keep::<u8>("c", || Err(Error::internal("test", "no"))).is_err());
    assert_eq!(*host.keep("c", || Ok(7_u8)).unwrap(), 7);
}
