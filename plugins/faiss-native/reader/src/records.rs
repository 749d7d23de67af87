/*!
Which records an index has, and how each is asked for.

Every record is asked for by a key: its position, or, where inverted lists hold it, the id that stands in the list. What
the record is *called* may differ again: an IDMap around the index names its records anew. (Asking for a range of
positions instead, `reconstruct_n`, gives zeros where lists have no such id.)
*/

use vecferry_faiss_protocol::About;

use crate::library::{Failure, Index, Part, library_version};

/// Bytes of values that one read yields, unless a single record is larger.
const MAX_BYTES: usize = 16 << 20;

/// An index and its records, in the order in which the index keeps them.
pub struct Records {
    index: Index,
    keys: Keys,
    /// What records are called, where that is not their key.
    names: Option<Vec<i64>>,
}

/// What the library is asked with, one per record.
enum Keys {
    /// 0, 1, 2, …
    Positions(u64),
    /// Ids.
    Ids(Vec<i64>),
}

impl Keys {
    fn len(&self) -> u64 {
        match self {
            Keys::Positions(count) => *count,
            Keys::Ids(ids) => ids.len() as u64,
        }
    }

    fn get(&self, record: u64) -> Option<i64> {
        match self {
            Keys::Positions(count) if record < *count => i64::try_from(record).ok(),
            Keys::Positions(_) => None,
            Keys::Ids(ids) => ids.get(usize::try_from(record).ok()?).copied(),
        }
    }
}

impl Records {
    /// Finds an index's records, and asks for the first one: what cannot be read at all is refused here.
    ///
    /// # Errors
    /// What libfaiss throws; two records of one id, which it cannot tell apart; a map of ids that does not fit.
    pub fn of(index: Index) -> Result<Records, Failure> {
        let mut names: Option<Vec<i64>> = None;
        let mut asked = index.root();
        let mut maps = Vec::new();
        while let Some((ids, inner)) = asked.id_map()? {
            maps.push(ids);
            asked = inner;
        }
        let keys = keys(asked)?;
        for map in maps.iter().rev() {
            let inner = |record: u64| match &names {
                Some(names) => names.get(usize::try_from(record).ok()?).copied(),
                None => keys.get(record),
            };
            let renamed = (0..keys.len()).map(|record| {
                let inner = inner(record).and_then(|key| usize::try_from(key).ok());
                inner.and_then(|key| map.get(key)).copied().ok_or_else(|| {
                    Failure::new(format!("the map of {} ids does not fit an index of {}", map.len(), keys.len()))
                })
            });
            let renamed = renamed.collect::<Result<Vec<i64>, Failure>>()?;
            names = Some(renamed);
        }
        let records = Records { index, keys, names };
        if records.keys.len() > 0 {
            records.read(0, 1)?;
        }
        Ok(records)
    }

    /// What the library says about the index.
    pub fn about(&self) -> About {
        let root = self.index.root();
        About {
            class: root.class(),
            library: library_version(),
            dimension: u32::try_from(root.dimension()).unwrap_or(u32::MAX),
            rows: self.keys.len(),
            metric: root.metric(),
            own_ids: self.names.is_some() || matches!(self.keys, Keys::Ids(_)),
        }
    }

    /// Ids and values (rows × dimension) of up to `count` records, at least one, from the `first` on; none past the
    /// end.
    ///
    /// # Errors
    /// What libfaiss throws.
    pub fn read(&self, first: u64, count: u32) -> Result<(Vec<i64>, Vec<f32>), Failure> {
        let asked = self.asked()?;
        let dimension = asked.dimension();
        let fit = u64::try_from(MAX_BYTES / dimension.saturating_mul(4).max(1)).unwrap_or(1);
        let end = self.keys.len().min(first.saturating_add(u64::from(count).min(fit).max(1)));
        let (mut ids, mut values) = (Vec::new(), Vec::new());
        for record in first..end {
            let key = self.keys.get(record).ok_or_else(|| Failure::new("there is no such record"))?;
            let start = values.len();
            values.resize(start + dimension, 0.0);
            asked.reconstruct(key, &mut values[start..])?;
            let name = self.names.as_ref().and_then(|names| names.get(usize::try_from(record).ok()?).copied());
            ids.push(name.unwrap_or(key));
        }
        Ok((ids, values))
    }

    /// The part that is asked: what the maps of ids are around.
    fn asked(&self) -> Result<Part<'_>, Failure> {
        let mut asked = self.index.root();
        while let Some((_, inner)) = asked.id_map()? {
            asked = inner;
        }
        Ok(asked)
    }
}

/// What `asked`, which is no map of ids itself, is to be asked with.
fn keys(asked: Part<'_>) -> Result<Keys, Failure> {
    let mut holds = asked;
    holds.prepare()?;
    while let Some(inner) = holds.transformed() {
        holds = inner;
        holds.prepare()?;
    }
    let mut ids = if let Some(ids) = holds.list_ids() {
        ids
    } else if let Some((ids, _)) = holds.id_map()? {
        // Under transforms: asked by its own ids, which IndexIDMap2 understands.
        ids.to_vec()
    } else {
        return Ok(Keys::Positions(asked.total()));
    };
    let keys = Keys::Ids(ids.clone());
    ids.sort_unstable();
    match ids.array_windows().find(|[a, b]| a == b) {
        Some([twice, _]) => {
            Err(Failure::new(format!("two records have the id {twice}, and the library gives one of them by it")))
        }
        None => Ok(keys),
    }
}
