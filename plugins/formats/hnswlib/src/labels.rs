/*! Which slot holds which label. */

use vecferry_sdk::Error;

/// The labels of an index's live slots, and what was found wrong on the way.
///
/// Slots marked as deleted are left out: hnswlib keeps them, with their old labels, for the graph's sake.
#[derive(Debug, Default)]
pub struct Labels {
    /// (label, slot), ascending by label; labels are unique.
    by_label: Vec<(u32, u32)>,
    /// Slots marked as deleted.
    pub deleted: u32,
    /// Slots whose content contradicts the format, or whose bytes are missing from the files.
    pub damaged: u32,
    /// What was wrong with the first of them, with file and offset.
    pub first_damage: Option<Error>,
}

impl Labels {
    /// The slot of a live label.
    pub fn slot(&self, label: u32) -> Option<u32> {
        let at = self.by_label.binary_search_by_key(&label, |&(label, _)| label).ok()?;
        self.by_label.get(at).map(|&(_, slot)| slot)
    }

    /// Live, undamaged slots.
    pub fn len(&self) -> usize {
        self.by_label.len()
    }

    /// Whether there is no live, undamaged slot.
    pub fn is_empty(&self) -> bool {
        self.by_label.is_empty()
    }

    pub(crate) fn push(&mut self, label: u32, slot: u32) {
        self.by_label.push((label, slot));
    }

    pub(crate) fn damage(&mut self, slots: u32, error: impl FnOnce() -> Error) {
        self.damaged = self.damaged.saturating_add(slots);
        if slots > 0 && self.first_damage.is_none() {
            self.first_damage = Some(error());
        }
    }

    /// Sorts, and takes out labels that occur more than once: none of their slots can be trusted.
    pub(crate) fn settle(&mut self, twice: impl Fn(u32, u32) -> Error) {
        self.by_label.sort_unstable();
        let mut first_repeat = None;
        let mut repeats = 0u32;
        let all = std::mem::take(&mut self.by_label);
        for group in all.chunk_by(|a, b| a.0 == b.0) {
            match group {
                [one] => self.by_label.push(*one),
                [one, ..] => {
                    repeats = repeats.saturating_add(u32::try_from(group.len()).unwrap_or(u32::MAX));
                    first_repeat.get_or_insert(*one);
                }
                [] => {}
            }
        }
        if let Some((label, slot)) = first_repeat {
            self.damage(repeats, || twice(label, slot));
        }
    }
}
