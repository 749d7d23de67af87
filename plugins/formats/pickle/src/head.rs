/*! What a file's first bytes say: whether it looks like a pickle, and of what. For detection, before a load. */

use crate::opcode as op;

/// How many first bytes are enough.
pub const HEAD_BYTES: u32 = 512;

/// What a pickle's first opcodes begin to build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Head {
    /// A list.
    List,
    /// A dict.
    Dict,
    /// An object of this class, or what a function of this name gives: `numpy._core.multiarray._reconstruct`.
    /// A tuple that starts with such an object looks the same.
    Object(String),
    /// Something else that a pickle may start with.
    Other,
    /// No pickle starts so.
    NotAPickle,
}

impl Head {
    /// Looks at a file's first bytes.
    pub fn of(bytes: &[u8]) -> Head {
        let mut rest = bytes;
        let mut texts: Vec<&[u8]> = Vec::new();
        let mut first = true;
        let mut marked = false;
        while let Some((&opcode, tail)) = rest.split_first() {
            // Protocols from 2 on say so first; the text protocols start with few things that make sense here.
            let plausible = opcode == op::PROTO && tail.first().is_some_and(|&protocol| protocol <= 5);
            let textual = matches!(
                opcode,
                op::MARK | op::EMPTY_LIST | op::EMPTY_DICT | op::GLOBAL | op::UNICODE | op::STRING | op::BINUNICODE
            );
            if std::mem::take(&mut first) && !plausible && !textual {
                return Head::NotAPickle;
            }
            let skip = match opcode {
                op::PROTO | op::BINPUT => 1,
                op::FRAME => 8,
                op::LONG_BINPUT => 4,
                op::MEMOIZE => 0,
                op::PUT => line(tail).map_or(tail.len(), |line| line.len() + 1),
                op::MARK => {
                    marked = true;
                    0
                }
                op::EMPTY_LIST => return Head::List,
                op::EMPTY_DICT => return Head::Dict,
                op::LIST if marked => return Head::List,
                op::DICT if marked => return Head::Dict,
                op::GLOBAL => {
                    let module = line(tail);
                    let name = module.and_then(|module| line(tail.get(module.len() + 1..)?));
                    return match (module, name) {
                        (Some(module), Some(name)) => object(module, name),
                        _ => Head::Other,
                    };
                }
                op::SHORT_BINUNICODE => {
                    let len = tail.first().map_or(0, |&len| usize::from(len));
                    texts.extend(tail.get(1..=len));
                    1 + len
                }
                op::STACK_GLOBAL => {
                    return match texts.as_slice() {
                        [.., module, name] => object(module, name),
                        _ => Head::Other,
                    };
                }
                _ => return Head::Other,
            };
            rest = tail.get(skip..).unwrap_or_default();
        }
        if bytes.is_empty() { Head::NotAPickle } else { Head::Other }
    }
}

fn line(bytes: &[u8]) -> Option<&[u8]> {
    bytes.get(..bytes.iter().position(|&byte| byte == b'\n')?)
}

fn object(module: &[u8], name: &[u8]) -> Head {
    match (std::str::from_utf8(module), std::str::from_utf8(name)) {
        (Ok(module), Ok(name)) => Head::Object(format!("{module}.{name}")),
        _ => Head::Other,
    }
}
