/*!
JSON files that are too large for memory, walked where they lie.

A [`Scanner`] goes forward through a file's bytes and stops where its caller wants to look: at the members of an object,
at a string, at an array of numbers. What lies between it passes by its brackets and quotes alone, so that a
gigabyte costs one block of memory; a value that is read is checked whole. Python's own additions (`NaN`, `Infinity`,
lone surrogates) are understood.

Nothing recurses, and nesting is limited to what Python's parser takes. No value tree is built.
*/

mod escape;
mod numbers;
mod python;
mod scanner;
mod unescaped;

pub(crate) use numbers::numbers;
pub(crate) use python::mend;
pub(crate) use scanner::{Bytes, FileScanner, Scanner};
pub(crate) use unescaped::Unescaped;

#[cfg(test)]
mod tests;
