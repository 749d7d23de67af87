/*!
NumPy's `.npy` files: a header, then the array's bytes (numpy/lib/format.py, "Format Version 1.0" and following).

Only what a matrix of vectors is saved as: two dimensions, rows one after the other, 32- or 64-bit little-endian
floats. Rows are read where they are; the matrix is never loaded.
*/

use vecferry_sdk::{Error, File, Reader, Result};

/// A matrix in a file. [`Matrix::open`] saw that all its rows are there.
pub struct Matrix {
    file: File,
    /// Where the first row begins.
    start: u64,
    /// Vectors.
    pub rows: u64,
    /// Values of each.
    pub dimension: u32,
    /// Values are 64-bit floats, and lose digits as 32-bit ones.
    pub is_double: bool,
}

impl Matrix {
    /// Reads the header.
    ///
    /// # Errors
    /// `corrupt` for what is no `.npy` file or ends too early, `unsupported` for another kind of array.
    pub fn open(file: File) -> Result<Self> {
        let mut reader = Reader::with_block(file.clone(), 4096);
        if reader.bytes(6)? != b"\x93NUMPY" {
            reader.seek(0);
            return Err(reader.corrupt("this is no .npy file"));
        }
        let [major, _minor] = reader.array()?;
        let length = if major == 1 { u64::from(reader.u16()?) } else { u64::from(reader.u32()?) };
        let header = reader.bytes(length)?;
        let header = str::from_utf8(&header).map_err(|_| reader.corrupt("the header is no text"))?;

        let unsupported = |what: &str| {
            let message = format!("{} holds {what}; a matrix of float32 or float64 was expected", file.name());
            Err(Error::unsupported("npy/array", message)
                .hint("save it again with numpy.save(path, array.astype('float32'))")
                .at("file", file.name()))
        };
        let is_double = match value(header, "descr").map(|text| text.trim_matches(['\'', '"'])) {
            Some("<f4") => false,
            Some("<f8") => true,
            Some(other) => return unsupported(&format!("values of type {other}")),
            None => return Err(reader.corrupt("the header names no type")),
        };
        if value(header, "fortran_order") != Some("False") {
            return unsupported("columns one after the other (Fortran order)");
        }
        let shape =
            value(header, "shape").and_then(|text| text.strip_prefix('(')?.strip_suffix(')')).unwrap_or_default();
        let sizes: Vec<Option<u64>> =
            shape.split(',').map(str::trim).filter(|size| !size.is_empty()).map(|size| size.parse().ok()).collect();
        let [Some(rows), Some(dimension)] = sizes[..] else {
            return unsupported(&format!("an array of shape ({shape})"));
        };
        let Some(dimension) = u32::try_from(dimension).ok().filter(|&dimension| dimension > 0) else {
            return unsupported(&format!("vectors of {dimension} values"));
        };
        let start = reader.position();
        let matrix = Matrix { file, start, rows, dimension, is_double };
        // The header is believed only as far as the file goes.
        reader.need(rows.saturating_mul(matrix.row_bytes()))?;
        Ok(matrix)
    }

    /// Bytes of one row.
    pub fn row_bytes(&self) -> u64 {
        u64::from(self.dimension) * if self.is_double { 8 } else { 4 }
    }

    /// A reader that stands before row `row`.
    pub fn reader(&self, row: u64) -> Reader {
        let mut reader = Reader::new(self.file.clone());
        reader.seek(self.start + row * self.row_bytes());
        reader
    }

    /// Appends the row before which the reader stands to `out`.
    ///
    /// # Errors
    /// `corrupt` past the last row.
    pub fn read_row(&self, reader: &mut Reader, out: &mut Vec<f32>) -> Result<()> {
        if self.is_double {
            let bytes = reader.bytes(self.row_bytes())?;
            out.extend(bytes.as_chunks::<8>().0.iter().map(|&value| f64::from_le_bytes(value) as f32));
        } else {
            out.extend(reader.f32s(u64::from(self.dimension))?);
        }
        Ok(())
    }
}

/// The text of one value in the header, which is a Python dictionary such as
/// `{'descr': '<f4', 'fortran_order': False, 'shape': (12, 8), }`.
fn value<'a>(header: &'a str, key: &str) -> Option<&'a str> {
    let (_, rest) = header.split_once(&format!("'{key}':"))?;
    let rest = rest.trim_start();
    let end = if rest.starts_with('(') { rest.find(')')? + 1 } else { rest.find([',', '}'])? };
    rest.get(..end).map(str::trim)
}
