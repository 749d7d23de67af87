/*!
numpy arrays (and the standard library's `array`): typed views over bytes that stay in the file. Rows are
read in ranges, so an array of any size costs what is asked of it.

Forms (numpy's `array_reduce`, `array_reduce_ex`, `numpy/_core/numeric.py`): protocols 0 to 4 call
`_reconstruct(ndarray, (0,), b'b')` and BUILD `(1, shape, dtype, is_fortran, bytes)`; protocol 5 calls
`_frombuffer(buffer, dtype, shape, order)`; arrays of objects BUILD a list instead of bytes.
*/

use vecferry_sdk::{Error, ErrorKind, Result};

use crate::blob::Blob;
use crate::class::Known;
use crate::dtype::{self, DType, Element, ElementKind};
use crate::node::{Handle, Kind, Node};

/// An array. It owns its view of the file, so that it can be kept beside its pickle.
pub struct Array {
    dtype: DType,
    shape: Vec<u64>,
    /// Columns first: the first index moves fastest.
    fortran: bool,
    data: Data,
}

enum Data {
    Bytes(Blob),
    Objects(Handle),
}

/// numpy's own limit since 2.0.
const DIMENSIONS: usize = 64;

impl<'p> Node<'p> {
    /// The array, of a numpy array or an `array.array`; `None` for anything else.
    ///
    /// # Errors
    /// `pickle/dtype` (unsupported) for element types that are not read; `pickle/corrupt` when shape, type and
    /// data contradict each other.
    pub fn array(self) -> Result<Option<Array>> {
        match self.known() {
            Some(Known::NumpyReconstruct) => self.reconstruct().map(Some),
            Some(Known::NumpyFromBuffer) => self.in_buffer().map(Some),
            Some(Known::ArrayReconstructor) => self.standard_array().map(Some),
            _ => Ok(None),
        }
    }

    fn bad_array(self, what: &str) -> Error {
        self.error(ErrorKind::Corrupt, "pickle/corrupt", format!("no valid array: {what}"))
    }

    fn reconstruct(self) -> Result<Array> {
        let class = self.args().next().and_then(Node::class);
        if class.and_then(|class| class.known) != Some(Known::NumpyArray) {
            let name = class.map_or("?".to_owned(), |class| class.to_string());
            let message = format!("arrays of class {name} are not read; numpy.ndarray is");
            return Err(self.error(ErrorKind::Unsupported, "pickle/opaque", message));
        }
        let state: Vec<Node<'p>> = self.state().map(|state| state.items().take(8).collect()).unwrap_or_default();
        // Version 0 of the state had no version number.
        let parts = match state.as_slice() {
            [_, shape, dtype, fortran, data] => Some((shape, dtype, fortran, data)),
            [shape, dtype, fortran, data] => Some((shape, dtype, fortran, data)),
            _ => None,
        };
        let (shape, dtype, fortran, data) = parts.ok_or_else(|| self.bad_array("its state has not five parts"))?;
        let shape = self.shape_of(*shape)?;
        let dtype = dtype::read(*dtype)?;
        let fortran = match fortran.as_bool() {
            Some(fortran) => fortran,
            None => fortran.as_i64()?.is_some_and(|flag| flag != 0),
        };
        self.assemble(dtype, shape, fortran, *data)
    }

    fn in_buffer(self) -> Result<Array> {
        let args: Vec<Node<'p>> = self.args().take(8).collect();
        let [data, dtype, shape, order, ..] = args.as_slice() else {
            return Err(self.bad_array("_frombuffer needs four arguments"));
        };
        let shape = self.shape_of(*shape)?;
        let dtype = dtype::read(*dtype)?;
        let fortran = order.is_text("F")?;
        if !fortran && !order.is_text("C")? {
            return Err(self.bad_array("its order is neither C nor F"));
        }
        self.assemble(dtype, shape, fortran, *data)
    }

    /// `_array_reconstructor(class, typecode, machine format, bytes)`: `Modules/arraymodule.c`.
    fn standard_array(self) -> Result<Array> {
        let args: Vec<Node<'p>> = self.args().take(5).collect();
        let [_, _, format, data] = args.as_slice() else {
            return Err(self.bad_array("_array_reconstructor needs four arguments"));
        };
        let format = format.as_i64()?.and_then(|format| u8::try_from(format).ok());
        let (kind, size) = match format {
            Some(0) => (ElementKind::Unsigned, 1),
            Some(1) => (ElementKind::Signed, 1),
            Some(2 | 3) => (ElementKind::Unsigned, 2),
            Some(4 | 5) => (ElementKind::Signed, 2),
            Some(6 | 7) => (ElementKind::Unsigned, 4),
            Some(8 | 9) => (ElementKind::Signed, 4),
            Some(10 | 11) => (ElementKind::Unsigned, 8),
            Some(12 | 13) => (ElementKind::Signed, 8),
            Some(14 | 15) => (ElementKind::Float, 4),
            Some(16 | 17) => (ElementKind::Float, 8),
            _ => {
                let message = "an array.array of characters is not read";
                return Err(self.error(ErrorKind::Unsupported, "pickle/dtype", message));
            }
        };
        // Odd formats are big-endian, but for the first, which has no order.
        let big = format.is_some_and(|format| format > 1 && format % 2 == 1);
        let dtype = DType::new(kind, size, big);
        let blob = data.blob()?.ok_or_else(|| self.bad_array("its data is no byte string"))?;
        let length = blob.len()? / u64::from(size);
        self.assemble(dtype, vec![length], false, *data)
    }

    fn shape_of(self, shape: Node<'p>) -> Result<Vec<u64>> {
        let mut out = Vec::new();
        if shape.kind() != Kind::Tuple || shape.len() > DIMENSIONS {
            return Err(self.bad_array("its shape is no tuple"));
        }
        for extent in shape.items() {
            let extent = extent.as_i64()?.and_then(|extent| u64::try_from(extent).ok());
            out.push(extent.ok_or_else(|| self.bad_array("its shape holds something that is no size"))?);
        }
        Ok(out)
    }

    fn assemble(self, dtype: DType, shape: Vec<u64>, fortran: bool, data: Node<'p>) -> Result<Array> {
        let elements = shape.iter().try_fold(1_u64, |all, &extent| all.checked_mul(extent));
        let elements = elements.ok_or_else(|| self.bad_array("its shape is impossible"))?;
        if dtype.kind == ElementKind::Object {
            if data.kind() != Kind::List || data.len() as u64 != elements {
                let found = data.len();
                return Err(self.bad_array(&format!("{found} objects are there, and its shape needs {elements}")));
            }
            return Ok(Array { dtype, shape, fortran, data: Data::Objects(data.handle()) });
        }
        let blob = data.blob()?.ok_or_else(|| self.bad_array("its data is no byte string"))?;
        let (have, need) = (blob.len()?, elements.checked_mul(u64::from(dtype.size)));
        if Some(have) != need {
            let size = dtype.size;
            return Err(
                self.bad_array(&format!("{have} bytes are there, and {elements} elements of {size} are needed"))
            );
        }
        Ok(Array { dtype, shape, fortran, data: Data::Bytes(blob) })
    }
}

impl Array {
    /// Extents, outermost first.
    pub fn shape(&self) -> &[u64] {
        &self.shape
    }

    /// Elements.
    pub fn elements(&self) -> u64 {
        // Checked when it was made.
        self.shape.iter().product()
    }

    /// How many elements make a piece of a sensible size, to be asked for at a time.
    pub fn portion(&self) -> u64 {
        (256 * 1024 / u64::from(self.dtype.size).max(1)).clamp(1, 1024)
    }

    /// Whether elements are numbers that a vector can hold.
    pub fn is_numeric(&self) -> bool {
        self.dtype.is_number()
    }

    /// Whether elements are texts.
    pub fn is_text(&self) -> bool {
        self.dtype.kind == ElementKind::Text
    }

    /// Whether numbers have more precision than a vector's component: 64-bit floats, and integers of 32 bits
    /// or more.
    pub fn is_wider_than_f32(&self) -> bool {
        match self.dtype.kind {
            ElementKind::Float => self.dtype.size > 4,
            ElementKind::Signed | ElementKind::Unsigned => self.dtype.size > 2,
            _ => false,
        }
    }

    /// The list of values, of an array of objects.
    pub fn objects(&self) -> Option<Handle> {
        match &self.data {
            Data::Objects(list) => Some(*list),
            Data::Bytes(_) => None,
        }
    }

    /// Rows `start..start + count` of a matrix of numbers, row-major: `count × dimension` values. A vector
    /// is a matrix of one row.
    ///
    /// # Errors
    /// `pickle/corrupt` past the last row; `pickle/dtype` (unsupported) for anything but numbers in one or two
    /// dimensions.
    pub fn rows(&self, start: u64, count: u64) -> Result<Vec<f32>> {
        let (rows, columns) = match *self.shape.as_slice() {
            [columns] => (1, columns),
            [rows, columns] => (rows, columns),
            _ => return Err(self.unreadable("has not one or two dimensions")),
        };
        let blob = match &self.data {
            Data::Bytes(blob) if self.is_numeric() => blob,
            _ => return Err(self.unreadable("does not hold numbers")),
        };
        if start.checked_add(count).is_none_or(|end| end > rows) {
            let message = format!("row {start} and {count} more are needed, and there are {rows}");
            return Err(blob.place(Error::corrupt("pickle/corrupt", message)));
        }
        let size = u64::from(self.dtype.size);
        let to_usize = |bytes: u64| usize::try_from(bytes).map_err(|_| self.unreadable("is too large"));
        if !self.fortran || rows == 1 || columns == 1 {
            let bytes = blob.read(start * columns * size, to_usize(count * columns * size)?)?;
            return Ok(bytes.chunks_exact(to_usize(size)?).map(|bytes| self.dtype.component(bytes)).collect());
        }
        let (columns, count) = (to_usize(columns)?, to_usize(count)?);
        let mut out = vec![0.0; columns * count];
        for column in 0..columns {
            let bytes = blob.read((column as u64 * rows + start) * size, count * to_usize(size)?)?;
            for (row, bytes) in bytes.chunks_exact(to_usize(size)?).enumerate() {
                if let Some(place) = out.get_mut(row * columns + column) {
                    *place = self.dtype.component(bytes);
                }
            }
        }
        Ok(out)
    }

    fn unreadable(&self, what: &str) -> Error {
        let error = Error::unsupported("pickle/dtype", format!("an array {what}"));
        match &self.data {
            Data::Bytes(blob) => blob.place(error),
            Data::Objects(_) => error,
        }
    }

    /// The bytes that `count` elements from the `first` on (in C order) take; `None` for objects.
    ///
    /// # Errors
    /// `pickle/corrupt` past the end, or for a value that its type cannot have.
    pub fn element_list(&self, first: u64, count: usize) -> Result<Vec<Element>> {
        let Data::Bytes(blob) = &self.data else { return Err(self.unreadable("holds objects")) };
        let size = self.dtype.size as usize;
        if first.checked_add(count as u64).is_none_or(|end| end > self.elements()) {
            return Err(blob.place(Error::corrupt("pickle/corrupt", "an element past an array's end was asked for")));
        }
        let mut out = Vec::with_capacity(count);
        let decode = |bytes: &[u8]| {
            let message = "an element of an array has a value that its type has not";
            self.dtype.element(bytes).ok_or_else(|| blob.place(Error::corrupt("pickle/corrupt", message)))
        };
        if size == 0 {
            for _ in 0..count {
                out.push(decode(&[])?);
            }
        } else if !self.fortran || self.shape.len() < 2 {
            let bytes = blob.read(first * size as u64, count.saturating_mul(size))?;
            for bytes in bytes.chunks_exact(size) {
                out.push(decode(bytes)?);
            }
        } else {
            for index in first..first + count as u64 {
                out.push(decode(&blob.read(self.fortran_place(index) * size as u64, size)?)?);
            }
        }
        Ok(out)
    }

    /// The place in column-major order of the element that is `index`-th in row-major order.
    fn fortran_place(&self, index: u64) -> u64 {
        let mut rest = index;
        let mut place = 0;
        let mut stride = self.elements();
        for &extent in self.shape.iter().rev() {
            stride /= extent.max(1);
            place += rest % extent.max(1) * stride;
            rest /= extent.max(1);
        }
        place
    }
}

impl Node<'_> {
    /// The value of a numpy scalar; `None` for anything else, and for one that wraps an object.
    ///
    /// # Errors
    /// As [`Node::array`].
    pub fn numpy_scalar(self) -> Result<Option<Element>> {
        if self.known() != Some(Known::NumpyScalar) {
            return Ok(None);
        }
        let mut args = self.args();
        let (Some(dtype), Some(data)) = (args.next(), args.next()) else {
            return Err(self.bad_array("a scalar needs a type and its bytes"));
        };
        let dtype = dtype::read(dtype)?;
        if dtype.kind == ElementKind::Object {
            return Ok(None);
        }
        let blob = data.blob()?.ok_or_else(|| self.bad_array("a scalar's data is no byte string"))?;
        if blob.len()? != u64::from(dtype.size) {
            return Err(self.bad_array("a scalar's data has not the size of its type"));
        }
        let bytes = blob.read_all(u64::from(dtype.size))?;
        match dtype.element(&bytes) {
            Some(element) => Ok(Some(element)),
            None => Err(self.bad_array("a scalar has a value that its type has not")),
        }
    }
}
