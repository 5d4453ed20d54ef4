// What all kernels share: values stored as f32 or as bf16, and the values of a step.
//
// A kernel computes in f32 whatever the storage format. The branch on the format is the same for a whole grid.

typedef unsigned int u32;
typedef unsigned long long u64;

/// Values in either storage format.
struct Values {
    void* data;
    u64 is_bf16;
};

/// The values that change from step to step, in memory, so that a recorded graph reads them afresh.
struct Step {
    u32 number_low;
    u32 number_high;
    float learning_rate;
    u32 unused;
};

struct alignas(16) Four {
    float at[4];
};

struct alignas(8) FourHalves {
    unsigned short at[4];
};

__device__ inline float from_bf16(unsigned short bits) { return __uint_as_float((u32)bits << 16); }

/// Rounds to the nearest, ties to even; what is not a number stays so.
__device__ inline unsigned short to_bf16(float value) {
    u32 bits = __float_as_uint(value);
    if ((bits & 0x7fffffffu) > 0x7f800000u) return (unsigned short)((bits >> 16) | 0x40u);
    return (unsigned short)((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

__device__ inline float load(Values values, u64 at) {
    return values.is_bf16 ? from_bf16(((const unsigned short*)values.data)[at]) : ((const float*)values.data)[at];
}

__device__ inline void store(Values values, u64 at, float value) {
    if (values.is_bf16)
        ((unsigned short*)values.data)[at] = to_bf16(value);
    else
        ((float*)values.data)[at] = value;
}

/// Values `at` to `at + 3` of `len`, zeros behind the end; `at` is a multiple of four.
__device__ inline Four load_four(Values values, u64 at, u64 len) {
    Four four;
    if (at + 4 > len) {
        for (int i = 0; i < 4; ++i) four.at[i] = at + i < len ? load(values, at + i) : 0.0f;
    } else if (values.is_bf16) {
        FourHalves halves = *(const FourHalves*)((const unsigned short*)values.data + at);
        for (int i = 0; i < 4; ++i) four.at[i] = from_bf16(halves.at[i]);
    } else {
        four = *(const Four*)((const float*)values.data + at);
    }
    return four;
}

__device__ inline void store_four(Values values, u64 at, u64 len, Four four) {
    if (at + 4 > len) {
        for (int i = 0; i < 4; ++i)
            if (at + i < len) store(values, at + i, four.at[i]);
    } else if (values.is_bf16) {
        FourHalves halves;
        for (int i = 0; i < 4; ++i) halves.at[i] = to_bf16(four.at[i]);
        *(FourHalves*)((unsigned short*)values.data + at) = halves;
    } else {
        *(Four*)((float*)values.data + at) = four;
    }
}

/// The number of this thread in its grid.
__device__ inline u64 thread_number() { return (u64)blockIdx.x * blockDim.x + threadIdx.x; }
