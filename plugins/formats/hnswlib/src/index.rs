/*! `data_level0.bin` and `length.bin`: labels and vectors, read in blocks. */

use vecferry_sdk::{Error, File, Result};

use crate::{Header, Labels};

/// Bytes of one ranged read; a single slot may be larger.
const BLOCK_BYTES: u64 = 1 << 20;

/// Slots between two wanted ones are read along with them up to this many bytes.
const GAP_BYTES: u64 = 32 * 1024;

/// An index whose header was found sound.
pub struct Index {
    header: Header,
    data: File,
    lengths: Option<File>,
    whole: u32,
}

/// A vector to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// From [`Labels::slot`].
    pub slot: u32,
    /// The label that must stand there.
    pub label: u32,
}

impl Index {
    /// Opens an index from its files: `header.bin`, `data_level0.bin` and, for a cosine index,
    /// `length.bin`.
    ///
    /// In a cosine index `data_level0.bin` holds unit vectors and `length.bin` each vector's norm (f32 per
    /// slot); the original vector is their product. For any other space pass no `lengths`.
    ///
    /// Files that are shorter than the header promises are no error here: see [`Index::whole_slots`].
    ///
    /// # Errors
    /// As [`Header::read`].
    pub fn open(header: &File, data: File, lengths: Option<File>) -> Result<Index> {
        let header = Header::read(header)?;
        let in_data = data.size() / u64::from(header.slot_bytes);
        let in_lengths = lengths.as_ref().map_or(u64::MAX, |file| file.size() / 4);
        let whole = u64::from(header.slots).min(in_data).min(in_lengths);
        Ok(Index { whole: u32::try_from(whole).unwrap_or(header.slots), header, data, lengths })
    }

    /// What the header says.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Slots, from the first, whose bytes are all in the files; fewer than `header().slots` when a file
    /// was cut short.
    pub fn whole_slots(&self) -> u32 {
        self.whole
    }

    /// The error for files that are shorter than the header promises.
    ///
    /// # Errors
    /// `corrupt` (`hnswlib/truncated`) naming the file, its size and the size that it should have.
    pub fn check_complete(&self) -> Result<()> {
        let slots = u64::from(self.header.slots);
        let data = (&self.data, slots * u64::from(self.header.slot_bytes));
        for (file, want) in [Some(data), self.lengths.as_ref().map(|file| (file, slots * 4))].into_iter().flatten() {
            if file.size() < want {
                return Err(Error::corrupt(
                    "hnswlib/truncated",
                    format!("the file has {} bytes, but {slots} slots need {want}: it was cut short", file.size()),
                )
                .at("file", file.name())
                .at("offset", file.size()));
            }
        }
        Ok(())
    }

    /// Reads all slots once, checks each, and says which slot holds which label.
    ///
    /// # Errors
    /// Only when a file cannot be read; damage is reported in the answer.
    pub fn labels(&self) -> Result<Labels> {
        let mut labels = Labels::default();
        if let Err(error) = self.check_complete() {
            labels.damage(self.header.slots - self.whole, || error);
        }
        let slots_per_block = u32::try_from(BLOCK_BYTES / u64::from(self.header.slot_bytes)).unwrap_or(1).max(1);
        let mut start = 0;
        while start < self.whole {
            let last = start.saturating_add(slots_per_block - 1).min(self.whole - 1);
            let bytes = self.span(&self.data, start, last, self.header.slot_bytes)?;
            for (slot, bytes) in (start..=last).zip(bytes.chunks_exact(self.header.slot_bytes as usize)) {
                match self.inspect(slot, bytes) {
                    Ok(Slot { deleted: true, .. }) => labels.deleted += 1,
                    Ok(Slot { label, .. }) => labels.push(label, slot),
                    Err(error) => labels.damage(1, || error),
                }
            }
            start = last + 1;
        }
        labels.settle(|label, slot| self.wrong(slot, &format!("label {label} occurs in several slots")));
        Ok(labels)
    }

    /// Reads vectors into `out`, `wanted.len() × dimension` values in the order of `wanted`. Slots that lie
    /// close together are read together.
    ///
    /// # Errors
    /// `corrupt` (`hnswlib/slot`) when a slot is missing, damaged, deleted, or holds another label;
    /// `internal` when `out` has the wrong size.
    pub fn read(&self, wanted: &[Wanted], out: &mut [f32]) -> Result<()> {
        let width = self.header.dimension as usize;
        if Some(out.len()) != wanted.len().checked_mul(width) {
            return Err(Error::internal("hnswlib/out", "the space for the vectors has the wrong size"));
        }
        let mut order: Vec<usize> = (0..wanted.len()).collect();
        order.sort_unstable_by_key(|&at| wanted[at].slot);
        let slot_bytes = u64::from(self.header.slot_bytes);
        let mut rest = order.as_slice();
        while let Some(&first) = rest.first() {
            let start = wanted[first].slot;
            let together = |last: u32, next: u32| {
                let gap = u64::from(next - last).saturating_sub(1) * slot_bytes;
                gap <= GAP_BYTES && u64::from(next - start + 1) * slot_bytes <= BLOCK_BYTES
            };
            let mut last = start;
            let mut count = 0;
            for &at in rest {
                let next = wanted[at].slot;
                if count > 0 && !together(last, next) {
                    break;
                }
                last = next;
                count += 1;
            }
            let (group, after) = rest.split_at(count);
            self.read_group(wanted, group, start, last, out)?;
            rest = after;
        }
        Ok(())
    }

    fn read_group(&self, wanted: &[Wanted], group: &[usize], start: u32, last: u32, out: &mut [f32]) -> Result<()> {
        if last >= self.whole {
            return Err(self.wrong(last, "its bytes are missing from the file"));
        }
        let slot_bytes = self.header.slot_bytes as usize;
        let width = self.header.dimension as usize;
        let data = self.span(&self.data, start, last, self.header.slot_bytes)?;
        let lengths = self.lengths.as_ref().map(|file| self.span(file, start, last, 4)).transpose()?;
        for &at in group {
            let Wanted { slot, label } = wanted[at];
            let nth = (slot - start) as usize;
            let bytes = data.get(nth * slot_bytes..(nth + 1) * slot_bytes).unwrap_or_default();
            let found = self.inspect(slot, bytes)?;
            if found.deleted || found.label != label {
                let state = if found.deleted { "is marked as deleted" } else { "is another one" };
                return Err(self.wrong(slot, &format!("label {label} is expected here; label {} {state}", found.label)));
            }
            let row = &mut out[at * width..(at + 1) * width];
            let vector =
                bytes.get(self.header.data_offset as usize..self.header.label_offset as usize).unwrap_or_default();
            for (value, bytes) in row.iter_mut().zip(vector.chunks_exact(4)) {
                *value = f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
            }
            if let Some(length) = lengths.as_ref().and_then(|all| all.get(nth * 4..nth * 4 + 4)) {
                let length = f32::from_le_bytes([length[0], length[1], length[2], length[3]]);
                row.iter_mut().for_each(|value| *value *= length);
            }
        }
        Ok(())
    }

    /// The bytes of slots `start..=last` in a file with `each` bytes per slot.
    fn span(&self, file: &File, start: u32, last: u32, each: u32) -> Result<Vec<u8>> {
        let (offset, len) = (u64::from(start) * u64::from(each), u64::from(last - start + 1) * u64::from(each));
        let bytes = file.read_at(offset, u32::try_from(len).unwrap_or(u32::MAX))?;
        if bytes.len() as u64 != len {
            return Err(self.wrong(start, "the file became shorter while it was read").at("file", file.name()));
        }
        Ok(bytes)
    }

    fn inspect(&self, slot: u32, bytes: &[u8]) -> Result<Slot> {
        let label_at = self.header.label_offset as usize;
        let [low, high, mark, _] = bytes.first_chunk::<4>().copied().unwrap_or_default();
        let label = bytes.get(label_at..).and_then(|rest| rest.first_chunk::<8>()).copied();
        let label = label.ok_or_else(|| self.wrong(slot, "its bytes are missing from the file"))?;
        let links = usize::from(u16::from_le_bytes([low, high]));
        if links > self.header.max_links as usize {
            return Err(self.wrong(slot, &format!("it claims {links} links, {} fit", self.header.max_links)));
        }
        for link in bytes[4..label_at].chunks_exact(4).take(links) {
            let link = u32::from_le_bytes([link[0], link[1], link[2], link[3]]);
            if link >= self.header.slots {
                return Err(self.wrong(slot, &format!("it links to slot {link}, there are {}", self.header.slots)));
            }
        }
        // Chroma numbers its labels with 32 bits.
        let label = u64::from_le_bytes(label);
        let label = u32::try_from(label).map_err(|_| self.wrong(slot, &format!("its label {label} is impossible")))?;
        Ok(Slot { deleted: mark & 1 == 1, label })
    }

    fn wrong(&self, slot: u32, message: &str) -> Error {
        Error::corrupt("hnswlib/slot", format!("slot {slot}: {message}"))
            .at("file", self.data.name())
            .at("offset", u64::from(slot) * u64::from(self.header.slot_bytes))
    }
}

struct Slot {
    deleted: bool,
    label: u32,
}
