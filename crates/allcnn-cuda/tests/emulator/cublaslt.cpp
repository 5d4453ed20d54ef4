// The part of cuBLASLt that the device uses, over the emulated GPU: products computed as sums from what the descriptors
// say. One algorithm is offered where ALLCNN_TEST_EMULATED is "products" (where the emulated cuDNN leaves 1x1
// convolutions to it) or "two", else none. The numbers of attributes and types are those of cublasLt.h.

#include <bit>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>

void emulator_enqueue(std::function<void()> work);

namespace {

enum { SUCCESS = 0, INVALID_VALUE = 7, NOT_SUPPORTED = 15 };
enum { F32 = 0, BF16 = 14, COMPUTE_32F = 68, COMPUTE_TF32 = 77, RELU_BIAS = 6, REDUCTION_IN_F32 = 2 };
constexpr size_t WORKSPACE = 4096;

struct Layout {
    int type;
    uint64_t rows, columns;
    int64_t stride;

    float read(const void* memory, uint64_t row, uint64_t column) const {
        uint64_t at = row + column * stride;
        return type == BF16 ? std::bit_cast<float>((uint32_t)((const uint16_t*)memory)[at] << 16) : ((const float*)memory)[at];
    }
    void write(void* memory, uint64_t row, uint64_t column, float value) const {
        uint64_t at = row + column * stride;
        uint32_t bits = std::bit_cast<uint32_t>(value);
        if (type == BF16)
            ((uint16_t*)memory)[at] = (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
        else
            ((float*)memory)[at] = value;
    }
};
struct Operation {
    int compute, scale_type, transposed_a = 0, transposed_b = 0, epilogue = 1;
    const void* bias = nullptr;
};
struct Limits {
    size_t workspace = 0;
    uint32_t reduction = 7;
};
struct Found {
    uint64_t algorithm[8];
    size_t workspace;
    int state;
    float waves;
    int reserved[4];
};

/// Whether the sides fit together and the types are those that the device means to use.
bool fits(const Operation& o, const Layout& a, const Layout& b, const Layout& d) {
    uint64_t m = o.transposed_a ? a.columns : a.rows, k = o.transposed_a ? a.rows : a.columns;
    uint64_t k_again = o.transposed_b ? b.columns : b.rows, n = o.transposed_b ? b.rows : b.columns;
    bool compute = o.compute == COMPUTE_32F || (o.compute == COMPUTE_TF32 && a.type == F32);
    return compute && o.scale_type == F32 && a.type == b.type && a.type == d.type && k == k_again && m == d.rows && n == d.columns;
}

}  // namespace

extern "C" {
size_t cublasLtGetVersion() { return 130000; }
int cublasLtCreate(void** handle) { return *handle = (void*)1, SUCCESS; }
int cublasLtDestroy(void*) { return SUCCESS; }
int cublasLtMatrixLayoutCreate(void** layout, int type, uint64_t rows, uint64_t columns, int64_t stride) {
    return *layout = new Layout{type, rows, columns, stride}, SUCCESS;
}
int cublasLtMatrixLayoutDestroy(void* layout) { return delete (Layout*)layout, SUCCESS; }
int cublasLtMatmulDescCreate(void** operation, int compute, int scale_type) {
    return *operation = new Operation{compute, scale_type}, SUCCESS;
}
int cublasLtMatmulDescDestroy(void* operation) { return delete (Operation*)operation, SUCCESS; }
int cublasLtMatmulDescSetAttribute(void* handle, int attribute, const void* value, size_t bytes) {
    Operation& operation = *(Operation*)handle;
    if (attribute == 8) return bytes == 8 ? memcpy(&operation.bias, value, 8), SUCCESS : INVALID_VALUE;
    int* field = attribute == 3   ? &operation.transposed_a
                 : attribute == 4 ? &operation.transposed_b
                 : attribute == 7 ? &operation.epilogue
                                  : nullptr;
    if (!field || bytes != 4) return INVALID_VALUE;
    return memcpy(field, value, 4), SUCCESS;
}
int cublasLtMatmulPreferenceCreate(void** limits) { return *limits = new Limits, SUCCESS; }
int cublasLtMatmulPreferenceDestroy(void* limits) { return delete (Limits*)limits, SUCCESS; }
int cublasLtMatmulPreferenceSetAttribute(void* handle, int attribute, const void* value, size_t bytes) {
    Limits& limits = *(Limits*)handle;
    if (attribute == 1 && bytes == 8) return memcpy(&limits.workspace, value, 8), SUCCESS;
    if (attribute == 3 && bytes == 4) return memcpy(&limits.reduction, value, 4), SUCCESS;
    return INVALID_VALUE;
}
int cublasLtMatmulAlgoGetHeuristic(void*, void* operation, void* a, void* b, void* c, void* d, void* preference, int most,
                                   Found* found, int* count) {
    const Limits& limits = *(Limits*)preference;
    const char* engines = getenv("ALLCNN_TEST_EMULATED");
    *count = 0;
    if (!engines || (strcmp(engines, "products") && strcmp(engines, "two"))) return NOT_SUPPORTED;
    if (!fits(*(Operation*)operation, *(Layout*)a, *(Layout*)b, *(Layout*)d) || most < 1) return INVALID_VALUE;
    if (limits.workspace < WORKSPACE || limits.reduction != REDUCTION_IN_F32) return INVALID_VALUE;
    *found = {{42}, WORKSPACE, SUCCESS, 1.0f, {}};
    return *count = 1, SUCCESS;
}
int cublasLtMatmul(void*, void* operation, const float* alpha, const void* a, void* a_layout, const void* b, void* b_layout,
                   const float* beta, const void*, void*, void* d, void* d_layout, const uint64_t* algorithm, void* workspace,
                   size_t workspace_bytes, void*) {
    Operation o = *(Operation*)operation;
    Layout la = *(Layout*)a_layout, lb = *(Layout*)b_layout, ld = *(Layout*)d_layout;
    if (!fits(o, la, lb, ld) || *alpha != 1.0f || *beta != 0.0f || algorithm[0] != 42) return INVALID_VALUE;
    if (workspace_bytes < WORKSPACE || ((uintptr_t)a | (uintptr_t)b | (uintptr_t)d) % 16) return INVALID_VALUE;
    if (o.epilogue == RELU_BIAS && !o.bias) return INVALID_VALUE;
    uint64_t depth = o.transposed_a ? la.rows : la.columns;
    emulator_enqueue([=] {
        memset(workspace, 0xff, WORKSPACE);  // so that one that overlaps a matrix shows
        Layout bias = {ld.type, ld.rows, 1, (int64_t)ld.rows};
        for (uint64_t column = 0; column < ld.columns; ++column)
            for (uint64_t row = 0; row < ld.rows; ++row) {
                float sum = 0.0f;
                for (uint64_t k = 0; k < depth; ++k)
                    sum += (o.transposed_a ? la.read(a, k, row) : la.read(a, row, k)) *
                           (o.transposed_b ? lb.read(b, column, k) : lb.read(b, k, column));
                if (o.epilogue == RELU_BIAS) {
                    sum += bias.read(o.bias, row, 0);
                    sum = sum > 0.0f ? sum : 0.0f;
                }
                ld.write(d, row, column, sum);
            }
    });
    return SUCCESS;
}
}
