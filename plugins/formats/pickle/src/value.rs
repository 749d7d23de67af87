/*!
One value of the graph in eight bytes: a tag and 56 bits.

Strings, bytes, floats and long integers are not held: their value is the place of their opcode in the
file, and they are decoded from there when somebody asks. Small integers are held as they are; containers
and objects are indices into the arena.
*/

/// What a value's payload means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Tag {
    None = 0,
    False,
    True,
    EmptyTuple,
    /// The integer itself.
    Small,
    /// The opcode's offset: an integer of more than 55 bits.
    Long,
    /// The opcode's offset.
    Float,
    /// The opcode's offset, and a count: floats that follow each other in the file, in one slot.
    FloatRun,
    /// The opcode's offset: text.
    Text,
    /// The opcode's offset: a string of Python 2, text or bytes.
    Text8,
    /// The opcode's offset: bytes or a byte array.
    Bytes,
    /// An index into the arena.
    Node,
    /// An index into the table of names.
    Global,
    /// The opcode's offset: what the file leaves to its reader (persistent id, extension code, buffer).
    External,
}

const TAGS: [Tag; 14] = [
    Tag::None,
    Tag::False,
    Tag::True,
    Tag::EmptyTuple,
    Tag::Small,
    Tag::Long,
    Tag::Float,
    Tag::FloatRun,
    Tag::Text,
    Tag::Text8,
    Tag::Bytes,
    Tag::Node,
    Tag::Global,
    Tag::External,
];

const PAYLOAD_BITS: u32 = 56;
const PAYLOAD: u64 = (1 << PAYLOAD_BITS) - 1;
const RUN_OFFSET_BITS: u32 = 40;

/// Bytes of one BINFLOAT: opcode and eight bytes.
pub(crate) const FLOAT_STRIDE: u64 = 9;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Value(u64);

impl Value {
    pub(crate) const NONE: Value = Value::tagged(Tag::None, 0);
    pub(crate) const EMPTY_TUPLE: Value = Value::tagged(Tag::EmptyTuple, 0);

    const fn tagged(tag: Tag, payload: u64) -> Self {
        Value(((tag as u64) << PAYLOAD_BITS) | (payload & PAYLOAD))
    }

    pub(crate) fn bool(value: bool) -> Self {
        Value::tagged(if value { Tag::True } else { Tag::False }, 0)
    }

    /// `None` for an integer that does not fit 56 bits.
    pub(crate) fn small(value: i64) -> Option<Self> {
        let fits = (value << (64 - PAYLOAD_BITS)) >> (64 - PAYLOAD_BITS) == value;
        fits.then(|| Value::tagged(Tag::Small, value.cast_unsigned()))
    }

    /// Something that stands at `offset`.
    pub(crate) fn at(tag: Tag, offset: u64) -> Self {
        Value::tagged(tag, offset)
    }

    pub(crate) fn node(index: u32) -> Self {
        Value::tagged(Tag::Node, u64::from(index))
    }

    pub(crate) fn global(index: u32) -> Self {
        Value::tagged(Tag::Global, u64::from(index))
    }

    /// `count` floats from `offset` on; `None` where they do not fit one slot.
    pub(crate) fn float_run(offset: u64, count: u16) -> Option<Self> {
        (offset >> RUN_OFFSET_BITS == 0)
            .then(|| Value::tagged(Tag::FloatRun, offset | (u64::from(count) << RUN_OFFSET_BITS)))
    }

    pub(crate) fn tag(self) -> Tag {
        TAGS.get((self.0 >> PAYLOAD_BITS) as usize).copied().unwrap_or(Tag::None)
    }

    /// The offset, for the tags that have one.
    pub(crate) fn offset(self) -> u64 {
        self.0 & PAYLOAD
    }

    /// The index, for nodes and names.
    pub(crate) fn index(self) -> u32 {
        // Made from a u32.
        u32::try_from(self.0 & PAYLOAD).unwrap_or(u32::MAX)
    }

    pub(crate) fn as_small(self) -> i64 {
        (self.0 << (64 - PAYLOAD_BITS)).cast_signed() >> (64 - PAYLOAD_BITS)
    }

    /// Offset of the first float, and how many there are.
    pub(crate) fn run(self) -> (u64, u16) {
        let payload = self.0 & PAYLOAD;
        (payload & ((1 << RUN_OFFSET_BITS) - 1), u16::try_from(payload >> RUN_OFFSET_BITS).unwrap_or(u16::MAX))
    }

    pub(crate) fn to_bits(self) -> u64 {
        self.0
    }

    pub(crate) fn from_bits(bits: u64) -> Self {
        Value(bits)
    }
}
