// Dropout, the end of a convolution, and the way back through both.
//
// Masks are drawn by Philox4x32-10 (Salmon et al. 2011): block i of a stream decides about values (or channels) 4 i to
// 4 i + 3, so a thread takes four values. The masks are those of every other device, to the bit.

struct Mask {
    u32 threshold; // a value whose number is below is dropped
    float scale;   // of the others
    u32 key[2];
    u32 layer;
    u32 purpose;  // the upper byte of the last counter word
    u32 channels; // where each is dropped as a whole; else 0
};

__device__ inline void philox(u32 a, u32 b, u32 c, u32 d, u32 key0, u32 key1, u32* numbers) {
    for (int round = 0; round < 10; ++round) {
        u64 low = (u64)a * 0xD2511F53u;
        u64 high = (u64)c * 0xCD9E8D57u;
        a = (u32)(high >> 32) ^ b ^ key0;
        b = (u32)high;
        c = (u32)(low >> 32) ^ d ^ key1;
        d = (u32)low;
        key0 += 0x9E3779B9u;
        key1 += 0xBB67AE85u;
    }
    numbers[0] = a;
    numbers[1] = b;
    numbers[2] = c;
    numbers[3] = d;
}

/// Four values, the first of which has the index `at` (a multiple of 4), times their mask.
__device__ inline Four masked(Four four, Mask mask, const Step* step, u64 at) {
    u32 numbers[4];
    u64 draw = mask.channels ? at % mask.channels : at;
    for (int i = 0; i < 4; ++i) {
        if (i == 0 || draw % 4 == 0)
            philox((u32)(draw / 4), mask.layer, step->number_low, mask.purpose << 24 | step->number_high, mask.key[0],
                   mask.key[1], numbers);
        four.at[i] *= numbers[draw % 4] < mask.threshold ? 0.0f : mask.scale;
        draw = draw + 1 == mask.channels ? 0 : draw + 1;
    }
    return four;
}

/// Multiplies with the step's mask.
extern "C" __global__ void dropout(Values values, u64 len, Mask mask, const Step* step) {
    u64 at = thread_number() * 4;
    if (at < len) store_four(values, at, len, masked(load_four(values, at, len), mask, step, at));
}

/// to = dropout(activation(from + bias)), for sums whose rows have `from_columns` channels and outputs of `columns`.
/// The activation is x where x > 0 and slope * x elsewhere; without dropout the mask's threshold is 0 and its scale 1.
extern "C" __global__ void finish(Values from, Values to, const float* bias, u64 len, u32 from_columns, u32 columns,
                                  float slope, u32 has_dropout, Mask mask, const Step* step) {
    u64 at = thread_number() * 4;
    if (at >= len) return;
    Four four;
    if (from_columns == columns) {
        four = load_four(from, at, len);
    } else {
        for (int i = 0; i < 4; ++i) {
            u64 index = at + i;
            four.at[i] = index < len ? load(from, index / columns * from_columns + index % columns) : 0.0f;
        }
    }
    u32 column = (u32)(at % columns); // one division: they are slow
    for (int i = 0; i < 4; ++i) {
        float sum = four.at[i] + bias[column];
        four.at[i] = sum > 0.0f ? sum : slope * sum;
        column = column + 1 == columns ? 0 : column + 1;
    }
    if (has_dropout) four = masked(four, mask, step, at);
    store_four(to, at, len, four);
}

/// The rules of ReluRule, in its order.
#define BACKPROP 0
#define DECONVNET 1
#define GUIDED 2

/// Passes a signal back through an activation and its dropout, given the stored output of both (Gate::pass).
extern "C" __global__ void pass_back(Values output, Values signal, u64 len, float slope, u32 rule, u32 has_dropout,
                                     float scale) {
    u64 at = thread_number() * 4;
    if (at >= len) return;
    Four stored = load_four(output, at, len);
    Four four = load_four(signal, at, len);
    for (int i = 0; i < 4; ++i) {
        float scaled = four.at[i] * scale;
        float passed = rule == DECONVNET ? scaled : scaled * (stored.at[i] > 0.0f ? 1.0f : slope);
        if (rule != BACKPROP) passed = passed > 0.0f ? passed : slope * passed;
        four.at[i] = has_dropout && stored.at[i] == 0.0f ? 0.0f : passed;
    }
    store_four(signal, at, len, four);
}
