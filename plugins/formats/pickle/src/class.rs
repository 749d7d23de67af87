/*!
Names of classes and functions, and the allow-list: those whose arguments and state this crate reads as
data. Being on the list executes nothing; being absent makes a value an object that only tells its name.
*/

use std::fmt;

use crate::text;

/// A class's or function's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Class<'p> {
    /// `langchain_core.documents.base`
    pub module: &'p str,
    /// `Document`; nested ones with dots.
    pub name: &'p str,
    pub(crate) known: Option<Known>,
}

impl fmt::Display for Class<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", text::excerpt(self.module), text::excerpt(self.name))
    }
}

/// What is read as data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// `copyreg._reconstructor`, `__newobj__`, `__newobj_ex__`: the class is their first argument.
    Reconstructor,
    NewObject,
    ByteString,
    CodecsEncode,
    Set,
    List,
    Tuple,
    Dict,
    DefaultDict,
    Getattr,
    Complex,
    DateTime,
    Date,
    Time,
    TimeDelta,
    TimeZone,
    ZoneInfo,
    /// `pytz.UTC`, `dateutil.tz.tzutc`
    Utc,
    Pytz,
    Decimal,
    Fraction,
    Uuid,
    PosixPath,
    WindowsPath,
    Array,
    ArrayReconstructor,
    NumpyArray,
    NumpyFromBuffer,
    NumpyScalar,
    NumpyType,
    NumpyReconstruct,
    PandasTimestamp,
    PandasNat,
    LangchainDocument,
}

impl Known {
    /// Whether it makes one value that JSON has a text or number for.
    pub(crate) fn is_scalar(self) -> bool {
        use Known::{
            Complex, Date, DateTime, Decimal, Fraction, NumpyScalar, PandasNat, PandasTimestamp, PosixPath, Pytz, Time,
            TimeDelta, TimeZone, Utc, Uuid, WindowsPath,
        };
        matches!(
            self,
            Complex
                | Date
                | DateTime
                | Decimal
                | Fraction
                | NumpyScalar
                | PandasNat
                | PandasTimestamp
                | PosixPath
                | Pytz
                | Time
                | TimeDelta
                | TimeZone
                | Utc
                | Uuid
                | WindowsPath
        )
    }
}

/// Looks a name up in the allow-list.
pub(crate) fn known(module: &str, name: &str) -> Option<Known> {
    Some(match (module, name) {
        ("copyreg" | "copy_reg", "_reconstructor") => Known::Reconstructor,
        ("copyreg" | "copy_reg", "__newobj__" | "__newobj_ex__") => Known::NewObject,
        ("_codecs", "encode") => Known::CodecsEncode,
        ("builtins" | "__builtin__", name) => match name {
            "bytes" | "bytearray" => Known::ByteString,
            "set" | "frozenset" => Known::Set,
            "list" => Known::List,
            "tuple" => Known::Tuple,
            "dict" => Known::Dict,
            "complex" => Known::Complex,
            "getattr" => Known::Getattr,
            _ => return None,
        },
        ("collections", "OrderedDict" | "Counter") => Known::Dict,
        ("collections", "defaultdict") => Known::DefaultDict,
        ("collections", "deque") => Known::List,
        ("datetime", name) => match name {
            "datetime" => Known::DateTime,
            "date" => Known::Date,
            "time" => Known::Time,
            "timedelta" => Known::TimeDelta,
            "timezone" => Known::TimeZone,
            _ => return None,
        },
        ("zoneinfo", "ZoneInfo") => Known::ZoneInfo,
        ("pytz", "_UTC") | ("dateutil.tz.tz", "tzutc") => Known::Utc,
        ("pytz", "_p") => Known::Pytz,
        ("decimal" | "_decimal" | "_pydecimal", "Decimal") => Known::Decimal,
        ("fractions", "Fraction") => Known::Fraction,
        ("uuid", "UUID") => Known::Uuid,
        // 3.13 made pathlib a package, and 3.14 took the part's name back.
        ("pathlib" | "pathlib._local", "PosixPath" | "PurePosixPath") => Known::PosixPath,
        ("pathlib" | "pathlib._local", "WindowsPath" | "PureWindowsPath") => Known::WindowsPath,
        ("array", "array") => Known::Array,
        ("array", "_array_reconstructor") => Known::ArrayReconstructor,
        // numpy 2 renamed numpy.core.
        ("numpy.core.multiarray" | "numpy._core.multiarray", "_reconstruct") => Known::NumpyReconstruct,
        ("numpy.core.multiarray" | "numpy._core.multiarray", "scalar") => Known::NumpyScalar,
        ("numpy.core.numeric" | "numpy._core.numeric", "_frombuffer") => Known::NumpyFromBuffer,
        ("numpy", "dtype") => Known::NumpyType,
        ("numpy", "ndarray" | "matrix" | "memmap")
        | ("numpy.matrixlib.defmatrix", "matrix")
        | ("numpy.core.memmap" | "numpy._core.memmap", "memmap") => Known::NumpyArray,
        ("pandas._libs.tslibs.timestamps", "_unpickle_timestamp") => Known::PandasTimestamp,
        ("pandas._libs.tslibs.nattype", "_nat_unpickle") => Known::PandasNat,
        (module, "Document") if is_langchain(module) => Known::LangchainDocument,
        _ => return None,
    })
}

/// The modules in which LangChain kept its `Document`, from 0.0.1 to 1.x.
fn is_langchain(module: &str) -> bool {
    matches!(
        module,
        "langchain.schema"
            | "langchain.schema.document"
            | "langchain.docstore.document"
            | "langchain_core.documents"
            | "langchain_core.documents.base"
            | "langchain_classic.schema"
            | "langchain_classic.schema.document"
            | "langchain_classic.docstore.document"
    )
}
