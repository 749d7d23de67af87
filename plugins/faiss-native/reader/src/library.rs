/*!
libfaiss' C interface (faiss-sys), made safe to call; the only unsafe code here.

An index is used by one thread. Its parts are borrowed from it. What a *damaged* index makes libfaiss do is beyond any
promise made here: that is why it runs in a process of its own.
*/
#![allow(unsafe_code)]

use std::cell::RefCell;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::fmt;
use std::io::BufRead;
use std::marker::PhantomData;
use std::path::Path;
use std::ptr::{NonNull, null_mut};

use faiss_sys as sys;

/// `faiss/index_io.h`: nothing is opened for writing …
const READ_ONLY: c_int = 2;
/// … lists in a file of their own are looked for beside the index file, which a stream has not: they are refused, since
/// an index must not name files to be read …
const ON_DISK_SAME_FOLDER: c_int = 4;
/// … and tables that only a search needs are not made.
const SKIP_TABLES: c_int = 16 | 32;

unsafe extern "C" {
    fn vecferry_faiss_prepare(index: *mut c_void, message: *mut c_char, capacity: usize) -> c_int;
    fn vecferry_faiss_class(index: *const c_void, name: *mut c_char, capacity: usize);
}

/// What libfaiss said when it could not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure(String);

impl Failure {
    /// A failure in these words.
    pub fn new(message: impl Into<String>) -> Self {
        Failure(message.into())
    }

    /// The last exception that the C interface caught.
    fn last() -> Self {
        // SAFETY: null, or a text that stands until the next exception on this thread; it is copied here.
        let message = unsafe {
            let message = sys::faiss_get_last_error();
            (!message.is_null()).then(|| CStr::from_ptr(message).to_string_lossy().into_owned())
        };
        Failure(message.unwrap_or_else(|| "it failed without words".to_owned()))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failure {}

fn done(status: c_int) -> Result<(), Failure> {
    if status == 0 { Ok(()) } else { Err(Failure::last()) }
}

/// The library's version: `1.12.0`.
pub(crate) fn library_version() -> String {
    // SAFETY: a text that is part of the library.
    unsafe { CStr::from_ptr(sys::faiss_get_version()) }.to_string_lossy().into_owned()
}

thread_local! {
    /// What [`pull`] reads from: the C interface's readers take a function without a context.
    static SOURCE: RefCell<Option<Box<dyn BufRead>>> = const { RefCell::new(None) };
}

/// `fread` over [`SOURCE`]: up to `items` of `size` bytes; how many are whole.
unsafe extern "C" fn pull(into: *mut c_void, size: usize, items: usize) -> usize {
    let Some(wanted) = size.checked_mul(items).filter(|&wanted| wanted > 0) else { return 0 };
    SOURCE.with_borrow_mut(|source| {
        let Some(source) = source else { return 0 };
        let mut read = 0;
        while read < wanted {
            // A pipe that broke is an index that ends here; the plugin knows why it broke.
            let Ok(block) = source.fill_buf() else { break };
            let count = block.len().min(wanted - read);
            if count == 0 {
                break;
            }
            // SAFETY: libfaiss promises `size * items` bytes behind `into`, of which `read` are written; they do not
            // overlap with a buffer of ours.
            unsafe { into.cast::<u8>().add(read).copy_from_nonoverlapping(block.as_ptr(), count) };
            source.consume(count);
            read += count;
        }
        read / size
    })
}

/// An index in memory.
pub struct Index(NonNull<sys::FaissIndex>);

impl Index {
    /// Reads an index, whole.
    ///
    /// # Errors
    /// What libfaiss throws; `std::bad_alloc` when the index asks for more memory than there is.
    pub fn read(source: impl BufRead + 'static) -> Result<Index, Failure> {
        SOURCE.set(Some(Box::new(source)));
        let (mut reader, mut index) = (null_mut(), null_mut());
        let flags = READ_ONLY | ON_DISK_SAME_FOLDER | SKIP_TABLES;
        // SAFETY: out-pointers that live as long as the calls; a reader is used once, and freed as what it is.
        let read = unsafe {
            done(sys::faiss_CustomIOReader_new(&raw mut reader, Some(pull))).and_then(|()| {
                let read = done(sys::faiss_read_index_custom(reader.cast(), flags, &raw mut index));
                sys::faiss_CustomIOReader_free(reader);
                read
            })
        };
        SOURCE.set(None);
        read.and_then(|()| Index::owned(index))
    }

    /// A new index, by libfaiss' own description: `IVF16,PQ4`.
    ///
    /// # Errors
    /// What libfaiss throws.
    pub fn factory(dimension: usize, description: &str, metric: u32) -> Result<Index, Failure> {
        let text = CString::new(description).map_err(|error| Failure::new(error.to_string()))?;
        let dimension = c_int::try_from(dimension).map_err(|error| Failure::new(error.to_string()))?;
        let mut index = null_mut();
        // SAFETY: a C string and an out-pointer that live as long as the call.
        done(unsafe { sys::faiss_index_factory(&raw mut index, dimension, text.as_ptr(), metric) })?;
        Index::owned(index)
    }

    fn owned(index: *mut sys::FaissIndex) -> Result<Index, Failure> {
        NonNull::new(index).map(Index).ok_or_else(|| Failure::new("there is no index"))
    }

    /// The whole of it.
    pub fn root(&self) -> Part<'_> {
        Part { index: self.0, _of: PhantomData }
    }

    /// Learns from `vectors` (rows × dimension).
    ///
    /// # Errors
    /// What libfaiss throws.
    pub fn train(&mut self, vectors: &[f32]) -> Result<(), Failure> {
        let rows = self.rows(vectors)?;
        // SAFETY: `rows × dimension` values, read only.
        done(unsafe { sys::faiss_Index_train(self.0.as_ptr(), rows, vectors.as_ptr()) })
    }

    /// Adds `vectors` (rows × dimension), with ids where some are given: one a row.
    ///
    /// # Errors
    /// What libfaiss throws.
    pub fn add(&mut self, vectors: &[f32], ids: Option<&[i64]>) -> Result<(), Failure> {
        let rows = self.rows(vectors)?;
        let index = self.0.as_ptr();
        if rows == 0 {
            // Adding nothing to a FastScan index crashes (IndexFastScan::add of 1.12).
            return Ok(());
        }
        match ids {
            // SAFETY: `rows × dimension` values, read only.
            None => done(unsafe { sys::faiss_Index_add(index, rows, vectors.as_ptr()) }),
            Some(ids) if i64::try_from(ids.len()) == Ok(rows) => {
                // SAFETY: the same, and `rows` ids.
                done(unsafe { sys::faiss_Index_add_with_ids(index, rows, vectors.as_ptr(), ids.as_ptr()) })
            }
            Some(_) => Err(Failure::new("there is not one id a vector")),
        }
    }

    /// Removes records by id; how many.
    ///
    /// # Errors
    /// What libfaiss throws.
    pub fn remove(&mut self, ids: &[i64]) -> Result<usize, Failure> {
        let (mut selector, mut removed) = (null_mut(), 0);
        // SAFETY: the selector copies the ids, is used once, and is freed as the selector that it is.
        unsafe {
            done(sys::faiss_IDSelectorBatch_new(&raw mut selector, ids.len(), ids.as_ptr()))?;
            let done = done(sys::faiss_Index_remove_ids(self.0.as_ptr(), selector.cast(), &raw mut removed));
            sys::faiss_IDSelector_free(selector.cast());
            done?;
        }
        Ok(removed)
    }

    /// Writes the index into a file.
    ///
    /// # Errors
    /// What libfaiss throws.
    pub fn write(&self, file: &Path) -> Result<(), Failure> {
        let name =
            CString::new(file.as_os_str().as_encoded_bytes()).map_err(|error| Failure::new(error.to_string()))?;
        // SAFETY: an index and a C string that live as long as the call.
        done(unsafe { sys::faiss_write_index_fname(self.0.as_ptr(), name.as_ptr()) })
    }

    fn rows(&self, vectors: &[f32]) -> Result<i64, Failure> {
        let dimension = self.root().dimension().max(1);
        match i64::try_from(vectors.len() / dimension) {
            Ok(rows) if vectors.len().is_multiple_of(dimension) => Ok(rows),
            _ => Err(Failure::new("these are not whole vectors")),
        }
    }
}

impl Drop for Index {
    fn drop(&mut self) {
        // SAFETY: owned, and not used again; the parts that borrow it are gone.
        unsafe { sys::faiss_Index_free(self.0.as_ptr()) };
    }
}

/// An index, or one within another.
#[derive(Clone, Copy)]
pub struct Part<'a> {
    index: NonNull<sys::FaissIndex>,
    _of: PhantomData<&'a Index>,
}

impl<'a> Part<'a> {
    /// Values per vector.
    pub fn dimension(self) -> usize {
        // SAFETY: an index that lives as long as `'a`; so in every function below.
        usize::try_from(unsafe { sys::faiss_Index_d(self.index.as_ptr()) }).unwrap_or_default()
    }

    /// Records.
    pub fn total(self) -> u64 {
        // SAFETY: see `dimension`.
        u64::try_from(unsafe { sys::faiss_Index_ntotal(self.index.as_ptr()) }).unwrap_or_default()
    }

    /// `faiss::MetricType`.
    pub fn metric(self) -> i64 {
        // SAFETY: see `dimension`.
        i64::from(unsafe { sys::faiss_Index_metric_type(self.index.as_ptr()) })
    }

    /// The library's class: `IndexLSH`.
    pub fn class(self) -> String {
        // SAFETY: see `dimension`; the C interface's pointer to an index is the C++ one.
        let name = text(|name, capacity| unsafe { vecferry_faiss_class(self.index.as_ptr().cast(), name, capacity) });
        // IndexIDMap is `faiss::IndexIDMapTemplate<faiss::Index>`.
        name.replace("faiss::", "").replace("Template<Index>", "")
    }

    /// The ids and the index within, if this is a map of ids (IndexIDMap, IndexIDMap2).
    ///
    /// # Errors
    /// When there is no index within.
    pub fn id_map(self) -> Result<Option<(&'a [i64], Part<'a>)>, Failure> {
        // SAFETY: see `dimension`; the map's vector is not changed as long as `'a` lives: nothing here changes it.
        unsafe {
            let map = sys::faiss_IndexIDMap_cast(self.index.as_ptr());
            if map.is_null() {
                return Ok(None);
            }
            let (mut ids, mut count) = (null_mut(), 0);
            sys::faiss_IndexIDMap_id_map(map, &raw mut ids, &raw mut count);
            let ids = if ids.is_null() { &[] } else { std::slice::from_raw_parts(ids, count) };
            let inner = NonNull::new(sys::faiss_IndexIDMap_sub_index(map))
                .ok_or_else(|| Failure::new("there is no index within the map of ids"))?;
            Ok(Some((ids, Part { index: inner, _of: PhantomData })))
        }
    }

    /// The index within, if this one transforms vectors before (IndexPreTransform).
    pub fn transformed(self) -> Option<Part<'a>> {
        // SAFETY: see `dimension`.
        unsafe {
            let outer = NonNull::new(sys::faiss_IndexPreTransform_cast(self.index.as_ptr()))?;
            let index = NonNull::new(sys::faiss_IndexPreTransform_index(outer.as_ptr()))?;
            Some(Part { index, _of: PhantomData })
        }
    }

    /// Makes it ready for [`Part::reconstruct`]; `src/prepare.cpp` says what that takes.
    ///
    /// # Errors
    /// When libfaiss is known to crash on this index, or to give wrong vectors.
    pub fn prepare(self) -> Result<(), Failure> {
        let mut failed = 0;
        // SAFETY: see `dimension`; no reference into the index exists while it is prepared. The C interface's pointer to
        // an index is the C++ one.
        let message = text(|message, capacity| unsafe {
            failed = vecferry_faiss_prepare(self.index.as_ptr().cast(), message, capacity);
        });
        if failed == 0 { Ok(()) } else { Err(Failure(message)) }
    }

    /// The ids in its lists, in the lists' order, if this one is made of lists (IndexIVF and its kin). To be prepared
    /// before.
    pub fn list_ids(self) -> Option<Vec<i64>> {
        // SAFETY: see `dimension`; prepared, it has its lists.
        unsafe {
            let ivf = NonNull::new(sys::faiss_IndexIVF_cast(self.index.as_ptr()))?;
            let mut ids = Vec::new();
            for list in 0..sys::faiss_IndexIVF_nlist(ivf.as_ptr()) {
                let start = ids.len();
                ids.resize(start + sys::faiss_IndexIVF_get_list_size(ivf.as_ptr(), list), 0);
                // As many ids are written as the list has.
                sys::faiss_IndexIVF_invlists_get_ids(ivf.as_ptr(), list, ids[start..].as_mut_ptr());
            }
            Some(ids)
        }
    }

    /// The vector of `key` into `vector`.
    ///
    /// # Errors
    /// What libfaiss throws: it cannot, or knows no such key.
    pub fn reconstruct(self, key: i64, vector: &mut [f32]) -> Result<(), Failure> {
        if vector.len() != self.dimension() {
            return Err(Failure::new("there is no room for one vector"));
        }
        // SAFETY: see `dimension`; as many values are written as the index has dimensions.
        done(unsafe { sys::faiss_Index_reconstruct(self.index.as_ptr(), key, vector.as_mut_ptr()) })
    }
}

/// A text that a function writes into a buffer of some capacity, with a zero at its end.
fn text(write: impl FnOnce(*mut c_char, usize)) -> String {
    let mut buffer = [0u8; 1024];
    write(buffer.as_mut_ptr().cast(), buffer.len());
    CStr::from_bytes_until_nul(&buffer).unwrap_or_default().to_string_lossy().into_owned()
}
