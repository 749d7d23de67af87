/*! `header.bin`: where things lie in a slot, and how many slots there are. */

use vecferry_sdk::{Error, File, Reader, Result};

/// The only layout of a persisted index so far (`PERSISTENCE_VERSION` in Chroma's `hnswalg.h`).
const VERSION: i32 = 1;

/// Bytes of `header.bin`.
const HEADER_BYTES: u64 = 100;

/// Where the graph's level and entry stand.
const LEVEL_OFFSET: u64 = 52;

/// A slot starts with its number of links (u16), a mark whether it was deleted (u8) and an unused byte.
const SLOT_PREFIX: u64 = 4;

/// A label is a `size_t`.
const LABEL_BYTES: u64 = 8;

/// What `header.bin` says, checked for consistency.
///
/// A slot is `link count and delete mark (4) | links (max_links × u32) | vector (dimension × f32) |
/// label (u64)`, little endian; slot `i` starts at `i × slot_bytes` of `data_level0.bin`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Slots that `data_level0.bin` has room for.
    pub capacity: u64,
    /// Slots in use, deleted ones included.
    pub slots: u32,
    /// Bytes of a slot.
    pub slot_bytes: u32,
    /// Where a slot's vector starts, in bytes from the slot's start.
    pub data_offset: u32,
    /// Where a slot's label starts.
    pub label_offset: u32,
    /// Values of a vector.
    pub dimension: u32,
    /// Links that a slot can hold on the lowest level (`maxM0`).
    pub max_links: u32,
}

impl Header {
    /// Reads and checks `header.bin`.
    ///
    /// # Errors
    /// `corrupt` (`hnswlib/header`) naming file and offset of the first number that cannot be right;
    /// `unsupported` (`hnswlib/version`) for another version of the layout.
    pub fn read(file: &File) -> Result<Header> {
        let mut reader = Reader::with_block(file.clone(), 4096);
        reader.need(HEADER_BYTES)?;
        let version = reader.i32()?;
        if version != VERSION {
            return Err(Error::unsupported(
                "hnswlib/version",
                format!("this index has version {version} of the layout, only {VERSION} is known"),
            )
            .at("file", file.name())
            .at("offset", 0));
        }
        let level0 = Field::read(&mut reader, "start of level 0")?;
        let capacity = Field::read(&mut reader, "capacity")?;
        let slots = Field::read(&mut reader, "number of slots")?;
        let slot_bytes = Field::read(&mut reader, "size of a slot")?;
        let label_offset = Field::read(&mut reader, "place of the label")?;
        let data_offset = Field::read(&mut reader, "place of the vector")?;
        let max_level = reader.i32()?;
        let entry = reader.u32()?;
        let max_links_above = Field::read(&mut reader, "number of links above level 0")?;
        let max_links = Field::read(&mut reader, "number of links on level 0")?;

        let check =
            |field: &Field, holds: bool, want: String| if holds { Ok(()) } else { Err(field.wrong(file, &want)) };
        check(&level0, level0.value == 0, "it must be 0".into())?;
        check(&capacity, u32::try_from(capacity.value).is_ok(), "slots are numbered with 32 bits".into())?;
        check(&slots, slots.value <= capacity.value, format!("there is room for {}", capacity.value))?;
        check(&max_links, u16::try_from(max_links.value).is_ok(), "links are counted with 16 bits".into())?;
        check(&max_links_above, max_links_above.value <= max_links.value, format!("level 0 has {}", max_links.value))?;
        let want = SLOT_PREFIX + max_links.value * 4;
        check(&data_offset, data_offset.value == want, format!("with {} links it must be {want}", max_links.value))?;
        let vector_bytes =
            label_offset.value.checked_sub(data_offset.value).filter(|bytes| *bytes > 0 && bytes % 4 == 0);
        let vector_bytes = vector_bytes.ok_or_else(|| {
            label_offset.wrong(file, &format!("whole values must stand between {} and it", data_offset.value))
        })?;
        let want = label_offset.value.saturating_add(LABEL_BYTES);
        check(&slot_bytes, slot_bytes.value == want, format!("it must be {want}"))?;
        if slots.value > 0 && (u64::from(entry) >= slots.value || max_level < 0) {
            let message = format!(
                "the graph is entered at slot {entry} on level {max_level}, but there are {} slots",
                slots.value
            );
            return Err(Error::corrupt("hnswlib/header", message).at("file", file.name()).at("offset", LEVEL_OFFSET));
        }
        let narrow =
            |field: &Field| u32::try_from(field.value).map_err(|_| field.wrong(file, "it is impossibly large"));
        let narrow_dimension =
            u32::try_from(vector_bytes / 4).map_err(|_| label_offset.wrong(file, "it is impossibly large"));
        Ok(Header {
            capacity: capacity.value,
            slots: narrow(&slots)?,
            slot_bytes: narrow(&slot_bytes)?,
            data_offset: narrow(&data_offset)?,
            label_offset: narrow(&label_offset)?,
            dimension: narrow_dimension?,
            max_links: narrow(&max_links)?,
        })
    }
}

/// A number of the header with its place, for errors.
struct Field {
    what: &'static str,
    offset: u64,
    value: u64,
}

impl Field {
    fn read(reader: &mut Reader, what: &'static str) -> Result<Field> {
        Ok(Field { what, offset: reader.position(), value: reader.u64()? })
    }

    fn wrong(&self, file: &File, want: &str) -> Error {
        Error::corrupt("hnswlib/header", format!("the {} is {}: {want}", self.what, self.value))
            .at("file", file.name())
            .at("offset", self.offset)
    }
}
