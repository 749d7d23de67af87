//! The table of ids, against a map.

use std::collections::BTreeMap;

use super::{IdTable, Marks};

fn table(entries: &[(&str, u32)]) -> IdTable<u32> {
    let mut table = IdTable::default();
    for (id, value) in entries {
        table.push(id, *value).unwrap();
    }
    table.sort();
    table
}

#[test]
fn lookups_find_what_was_added_in_any_order() {
    let ids: Vec<String> = (0..200u32).map(|n| format!("id{}", n.wrapping_mul(2_654_435_761) % 97)).collect();
    let mut want = BTreeMap::<&str, Vec<u32>>::new();
    let entries: Vec<(&str, u32)> = ids.iter().zip(0..).map(|(id, value)| (id.as_str(), value)).collect();
    for (id, value) in &entries {
        want.entry(id).or_default().push(*value);
    }
    let table = table(&entries);
    assert_eq!(table.len(), entries.len());
    let found = |id: &str, hint: &mut usize| table.values(table.find(id, hint)).collect::<Vec<_>>();
    let mut hint = 0;
    for (id, values) in &want {
        assert_eq!(&found(id, &mut hint), values, "{id}, ascending");
    }
    for (id, values) in want.iter().rev() {
        assert_eq!(&found(id, &mut hint), values, "{id}, descending");
    }
    for absent in ["", "id", "id1x", "zz"] {
        assert!(found(absent, &mut hint).is_empty(), "{absent}");
    }
    let groups: Vec<(&str, Vec<u32>)> = table.groups().map(|(id, range)| (id, table.values(range).collect())).collect();
    assert_eq!(groups, want.into_iter().collect::<Vec<_>>());
}

#[test]
fn the_empty_id_is_an_id() {
    let table = table(&[("b", 1), ("", 2)]);
    let mut hint = 0;
    assert_eq!(table.values(table.find("", &mut hint)).collect::<Vec<_>>(), [2]);
    assert_eq!(table.values(table.find("b", &mut hint)).collect::<Vec<_>>(), [1]);
}

#[test]
fn marks_are_kept_apart() {
    let mut marks = Marks::none(130);
    marks.set_all(63..66);
    marks.set_all(129..130);
    marks.set_all(7..7);
    let set: Vec<usize> = (0..200).filter(|at| marks.has(*at)).collect();
    assert_eq!(set, [63, 64, 65, 129]);
}
