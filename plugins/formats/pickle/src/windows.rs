/*!
Views of the file, for values that are decoded at their places.

A record's values stand in several places at once: its own, the next id in a list at the file's end, values that
records share far behind. Each of these moves on by itself, so each has a block of its own; one that is read onward
grows, and one that is looked at once stays small.
*/

use vecferry_sdk::File;

use crate::input::Input;

/// Blocks that are held at once.
const VIEWS: usize = 8;
/// Bytes of a block at a new place, and of one that was read onward for long: below the 128 KiB from which allocators
/// commonly ask the system for every block anew.
const FIRST_BLOCK: u32 = 4 * 1024;
const LONGEST_BLOCK: u32 = 120 * 1024;

pub(crate) struct Windows {
    /// The last used first.
    views: [Input; VIEWS],
}

impl Windows {
    pub(crate) fn new(file: &File) -> Self {
        Windows { views: std::array::from_fn(|_| Input::new(file.clone(), FIRST_BLOCK)) }
    }

    /// The view that holds the byte at `offset`, or will hold it once it is read.
    pub(crate) fn at(&mut self, offset: u64) -> &mut Input {
        if !self.views[0].holds(offset) {
            self.bring(offset);
        }
        &mut self.views[0]
    }

    /// Puts the right view in front: one that holds the byte, else the one that stands closest before it and is moved
    /// on, else the one that was not used for longest.
    fn bring(&mut self, offset: u64) {
        if let Some(place) = self.views.iter().position(|view| view.holds(offset)) {
            self.views[..=place].rotate_right(1);
            return;
        }
        let gap = |view: &Input| view.gap_before(offset).filter(|gap| *gap < u64::from(LONGEST_BLOCK));
        let before = self.views.iter().enumerate().filter_map(|(place, view)| Some((gap(view)?, place))).min();
        let place = before.map_or(VIEWS - 1, |(_, place)| place);
        self.views[..=place].rotate_right(1);
        let block = if before.is_some() { (self.views[0].block_bytes() * 2).min(LONGEST_BLOCK) } else { FIRST_BLOCK };
        self.views[0].set_block_bytes(block);
    }
}
