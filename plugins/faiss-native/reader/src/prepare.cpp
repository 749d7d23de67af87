// What libfaiss' C interface lacks: an index made ready to be asked for every record by its id, and a class's name.
//
// libfaiss 1.12 leaves indexes that it reads from a file unfinished in some places, and then crashes or, worse, gives
// vectors that are wrong. Each such place is named here, and mended or refused. Nothing is thrown across the border to
// Rust: what libfaiss throws becomes a message.

#include <cstdio>
#include <cstdlib>
#include <cxxabi.h>
#include <exception>
#include <typeinfo>

#include <faiss/IndexFastScan.h>
#include <faiss/IndexFlatCodes.h>
#include <faiss/IndexIVF.h>
#include <faiss/IndexIVFAdditiveQuantizerFastScan.h>
#include <faiss/IndexIVFIndependentQuantizer.h>
#include <faiss/IndexIVFPQFastScan.h>
#include <faiss/IndexPreTransform.h>
#include <faiss/VectorTransform.h>
#include <faiss/impl/FaissAssert.h>

namespace {

void put(const char* text, char* out, size_t capacity) {
    if (capacity > 0) {
        std::snprintf(out, capacity, "%s", text);
    }
}

// get_vector_specific_address() (impl/pq4_fast_scan.cpp) finds a code only in blocks of this size.
void check_block_size(int block_size) {
    FAISS_THROW_IF_NOT_FMT(
            block_size == 32, "vectors out of FastScan blocks of %d are not supported", block_size);
}

void prepare_lists(faiss::IndexIVF* ivf) {
    FAISS_THROW_IF_NOT_MSG(ivf->invlists, "the index was saved without its lists");
    if (auto* fast_scan = dynamic_cast<faiss::IndexIVFFastScan*>(ivf)) {
        check_block_size(fast_scan->bbs);
    }
    // read_index() leaves these null, and reconstruct() follows them (impl/index_read.cpp: IwPf, IV?f, N??f).
    if (auto* product = dynamic_cast<faiss::IndexIVFPQFastScan*>(ivf)) {
        product->fine_quantizer = &product->pq;
    }
    if (auto* additive = dynamic_cast<faiss::IndexIVFAdditiveQuantizerFastScan*>(ivf)) {
        additive->fine_quantizer = additive->aq;
    }
    // The C interface offers only the direct map that is an array, for ids 0, 1, 2, ... without a gap. A map that was
    // saved with the index is not believed.
    ivf->set_direct_map_type(faiss::DirectMap::NoMap);
    ivf->set_direct_map_type(faiss::DirectMap::Hashtable);
}

void prepare(faiss::Index* index) {
    if (auto* transformed = dynamic_cast<faiss::IndexPreTransform*>(index)) {
        for (auto* transform : transformed->chain) {
            auto* linear = dynamic_cast<faiss::LinearTransform*>(transform);
            // read_VectorTransform() asks this before it knows the dimensions, and takes every matrix for orthonormal:
            // of whitened vectors (PCAW) something else than what was added would come back.
            if (linear && linear->d_out <= linear->d_in) {
                linear->set_is_orthonormal();
            }
        }
    } else if (auto* ivf = dynamic_cast<faiss::IndexIVF*>(index)) {
        prepare_lists(ivf);
    } else if (auto* fast_scan = dynamic_cast<faiss::IndexFastScan*>(index)) {
        check_block_size(fast_scan->bbs);
    } else if (auto* flat = dynamic_cast<faiss::IndexFlatCodes*>(index)) {
        // A lattice's codes are never written (impl/index_write.cpp: IxLa); reconstruct() reads past the end.
        FAISS_THROW_IF_NOT_MSG(
                flat->code_size == 0 || flat->codes.size() / flat->code_size >= size_t(flat->ntotal),
                "the index was saved without its vectors");
    } else if (dynamic_cast<faiss::IndexIVFIndependentQuantizer*>(index)) {
        // read_index() leaves its number of vectors at 0.
        FAISS_THROW_MSG("reconstruct not implemented for this type of index");
    }
}

} // namespace

// Makes `reconstruct` of one index (not of those within it) safe to call, by the ids that stand in its lists if it has
// lists. Returns 0, or 1 with a message.
extern "C" int vecferry_faiss_prepare(void* index, char* message, size_t capacity) {
    try {
        prepare(static_cast<faiss::Index*>(index));
        return 0;
    } catch (const std::exception& error) {
        put(error.what(), message, capacity);
    } catch (...) {
        put("an exception without words", message, capacity);
    }
    return 1;
}

// The name of an index's class: "faiss::IndexLSH".
extern "C" void vecferry_faiss_class(const void* index, char* name, size_t capacity) {
    const char* mangled = typeid(*static_cast<const faiss::Index*>(index)).name();
    int status = 0;
    char* demangled = abi::__cxa_demangle(mangled, nullptr, nullptr, &status);
    put(demangled ? demangled : mangled, name, capacity);
    std::free(demangled);
}
