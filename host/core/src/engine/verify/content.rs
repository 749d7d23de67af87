/*!
A digest of a set of records, whatever their order: the sum of the records' digests modulo 2^256. Two runs over the
same records have the same; a record more, less or changed gives another.
*/

use vecferry_contract::Batch;

/// Little-endian words of the sum.
#[derive(Default)]
pub(super) struct Content([u64; 4]);

impl Content {
    /// Adds a record: its id, its document and its metadata, each with its length.
    pub(super) fn add(&mut self, batch: &Batch, row: usize) {
        let mut hasher = blake3::Hasher::new();
        let document = batch.document(row);
        let id = batch.ids.get(row).map_or("", String::as_str);
        for part in [id, document.unwrap_or_default(), batch.metadata(row)] {
            hasher.update(&(part.len() as u64).to_le_bytes()).update(part.as_bytes());
        }
        hasher.update(&[u8::from(document.is_some())]);
        let mut carry = false;
        for (sum, bytes) in self.0.iter_mut().zip(hasher.finalize().as_bytes().chunks_exact(8)) {
            let mut word = [0; 8];
            word.copy_from_slice(bytes);
            let (first, over) = sum.overflowing_add(u64::from_le_bytes(word));
            let (second, over_again) = first.overflowing_add(u64::from(carry));
            *sum = second;
            carry = over || over_again;
        }
    }

    /// 64 hexadecimal digits, the most significant first.
    pub(super) fn hex(&self) -> String {
        self.0.iter().rev().map(|word| format!("{word:016x}")).collect()
    }
}
