//! Compiles the few lines of C++ that libfaiss' C interface lacks, against the headers that faiss-sys installed.

fn main() {
    println!("cargo:rerun-if-changed=src/prepare.cpp");
    // The folder that faiss-sys' build script announces; Cargo hands it to the packages that depend on it.
    let installed = std::env::var("DEP_FAISS_C_ROOT").unwrap_or_default();
    cc::Build::new()
        .cpp(true)
        .std("c++17")
        .warnings(false)
        .include(format!("{installed}/include"))
        .file("src/prepare.cpp")
        .compile("vecferry_faiss_prepare");
}
