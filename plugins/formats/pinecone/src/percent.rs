/*! Bytes as `%XX`. */

/// `before` and `text`, in which every byte that `keep` does not keep is written `%XX`.
pub fn encode(before: &str, text: &str, keep: impl Fn(u8) -> bool) -> String {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let mut out = String::with_capacity(before.len() + text.len());
    out.push_str(before);
    for byte in text.bytes() {
        if byte.is_ascii() && keep(byte) {
            out.push(char::from(byte));
        } else {
            let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble & 0xf)]);
            out.extend(['%', digit(byte >> 4), digit(byte)]);
        }
    }
    out
}
