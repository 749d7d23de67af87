/*!
Columns of numbers as one block of bytes across the native border, where a number at a time costs more than the work.

In formats for people (JSON) they stay lists of numbers. The block is in the machine's own byte order: both halves of
the border run in one process.
*/

use std::fmt;
use std::marker::PhantomData;

use bytemuck::Pod;
use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub(crate) fn serialize<T: Pod + Serialize, S: Serializer>(values: &[T], serializer: S) -> Result<S::Ok, S::Error> {
    if serializer.is_human_readable() {
        serializer.collect_seq(values)
    } else {
        serializer.serialize_bytes(bytemuck::cast_slice(values))
    }
}

pub(crate) fn deserialize<'de, T: Pod + Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    if deserializer.is_human_readable() {
        Vec::deserialize(deserializer)
    } else {
        deserializer.deserialize_bytes(Block(PhantomData))
    }
}

struct Block<T>(PhantomData<T>);

impl<'de, T: Pod + Deserialize<'de>> Visitor<'de> for Block<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a block of values of {} bytes each", size_of::<T>())
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Vec<T>, E> {
        if !bytes.len().is_multiple_of(size_of::<T>()) {
            return Err(E::invalid_length(bytes.len(), &self));
        }
        let mut out = vec![T::zeroed(); bytes.len() / size_of::<T>()];
        bytemuck::cast_slice_mut(&mut out).copy_from_slice(bytes);
        Ok(out)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Vec<T>, A::Error> {
        let mut out = Vec::new();
        while let Some(value) = values.next_element()? {
            out.push(value);
        }
        Ok(out)
    }
}
