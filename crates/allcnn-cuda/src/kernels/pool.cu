// Pooling: maximum with switches, mean, the p-norm of Equation 1, and stochastic pooling, over windows that are listed: for each output row
// the first row of the input and the end, then for each output column likewise. A window of maxout lies along the
// channels and holds `pieces` of them.
//
// A thread makes one value. Backward it gathers from the windows that its input value lies in, so nothing is added up
// by several threads and the order is fixed.

enum Kind : u32 { MAXIMUM, MEAN, NORM, STOCHASTIC, LEARNED_NORM, PROBABILISTIC };

#define NO_SWITCH 0xffffffffu

/// What a value of each window is drawn from; `draws` is 0 in testing, and for kinds that do not draw.
struct Choice {
    u32 draws;
    u32 key[2];
    u32 layer;
    u32 purpose; // the upper byte of the last counter word
};

/// The number of output `at`, as u in [0, 1).
__device__ inline float unit_number(Choice choice, const Step* step, u64 at) {
    u32 numbers[4];
    philox((u32)(at / 4), choice.layer, step->number_low, choice.purpose << 24 | step->number_high, choice.key[0],
           choice.key[1], numbers);
    return (float)(numbers[at % 4] >> 8) * (1.0f / 16777216.0f);
}

struct Pool {
    u32 batch, height, width, channels; // the input
    u32 out_height, out_width;
    u32 pieces;
    u32 kind;
    float p; // of a norm; lambda of a probabilistic maxout
};

__device__ inline u64 place_of(Pool pool, u32 image, u32 row, u32 column, u32 channel) {
    return (((u64)image * pool.height + row) * pool.width + column) * pool.channels + channel;
}

/// What stochastic pooling draws in proportion to: a negative value counts as 0.
__device__ inline float weight(float value) { return value < 0.0f ? 0.0f : value; }

/// e^x for x up to 0 by single operations, which give every device the same bits (Sampling::exponential).
__device__ inline float exponential(float x) {
    const float series[7] = {1.540353e-4f, 1.3333558e-3f, 9.618129e-3f, 5.550411e-2f, 2.402265e-1f, 6.931472e-1f, 1.0f};
    if (!(x >= -87.0f)) return x < 0.0f ? 0.0f : x;
    float power = __fmul_rn(x, 1.442695f);
    float whole = floorf(__fadd_rn(power, 0.5f));
    float rest = __fadd_rn(power, -whole);
    float sum = series[0];
    for (int i = 1; i < 7; ++i) sum = __fadd_rn(__fmul_rn(sum, rest), series[i]);
    return __fmul_rn(sum, __uint_as_float((u32)((int)whole + 127) << 23));
}

/// Of a group of channels of a pixel: its largest value, the sum of exp(lambda (z - largest)), and the mean of z by these weights.
struct Group {
    float largest, total, mean;
};

__device__ inline float group_weight(Pool pool, Group group, float value) {
    return exponential(__fmul_rn(pool.p, __fadd_rn(value, -group.largest)));
}

__device__ inline Group group_of(Pool pool, Values input, u64 first) {
    Group group;
    group.largest = load(input, first);
    for (u32 piece = 1; piece < pool.pieces; ++piece) {
        float value = load(input, first + piece);
        if (value > group.largest) group.largest = value;
    }
    float weighted = 0.0f;
    group.total = 0.0f;
    for (u32 piece = 0; piece < pool.pieces; ++piece) {
        float value = load(input, first + piece), weight = group_weight(pool, group, value);
        group.total += weight;
        weighted += weight * value;
    }
    group.mean = weighted / group.total;
    return group;
}

/// Pools each window. A switch is (row * width + column) * pieces + piece of the maximum, of which the first one wins a tie, or
/// of the drawn value.
extern "C" __global__ void pool_forward(Pool pool, const u32* windows, Values input, Values output, u32* switches,
                                        Choice choice, const Step* step) {
    u64 at = thread_number();
    u32 channels = pool.channels / pool.pieces;
    u64 per_image = (u64)pool.out_height * pool.out_width * channels;
    if (at >= pool.batch * per_image) return;
    u32 channel = (u32)(at % channels) * pool.pieces;
    u32 x = (u32)(at / channels % pool.out_width);
    u32 y = (u32)(at / channels / pool.out_width % pool.out_height);
    u32 image = (u32)(at / per_image);
    u32 top = windows[2 * y], bottom = windows[2 * y + 1];
    const u32* columns = windows + 2 * pool.out_height;
    u32 left = columns[2 * x], right = columns[2 * x + 1];
    if (pool.kind == PROBABILISTIC) {
        u64 first = place_of(pool, image, top, left, channel);
        Group group = group_of(pool, input, first);
        if (!choice.draws) {
            store(output, at, group.mean);
            return;
        }
        float threshold = unit_number(choice, step, at) * group.total, running = 0.0f, value = group.total; // if that is NaN
        switches[at] = NO_SWITCH;
        for (u32 piece = 0; piece < pool.pieces && group.total > 0.0f && running <= threshold; ++piece) {
            float own = load(input, first + piece), weight = group_weight(pool, group, own);
            if (weight > 0.0f) {
                switches[at] = (top * pool.width + left) * pool.pieces + piece;
                value = own;
            }
            running += weight;
        }
        store(output, at, value);
        return;
    }
    if (pool.kind == STOCHASTIC) {
        float total = 0.0f;
        for (u32 row = top; row < bottom; ++row)
            for (u32 column = left; column < right; ++column)
                total += weight(load(input, place_of(pool, image, row, column, channel)));
        float threshold = choice.draws ? unit_number(choice, step, at) * total : 0.0f;
        // Where nothing can be drawn: 0 or NaN.
        float running = 0.0f, value = total > 0.0f ? 0.0f : total;
        u32 chosen = NO_SWITCH;
        for (u32 row = top; row < bottom && total > 0.0f; ++row)
            for (u32 column = left; column < right; ++column) {
                float x = weight(load(input, place_of(pool, image, row, column, channel)));
                if (!choice.draws) {
                    value += x * (x / total);
                } else if (x > 0.0f && running <= threshold) {
                    chosen = (row * pool.width + column) * pool.pieces;
                    value = x;
                }
                running += x;
            }
        if (choice.draws) switches[at] = chosen;
        store(output, at, value);
        return;
    }
    bool is_norm = pool.kind == NORM;
    float largest = is_norm ? 0.0f : load(input, place_of(pool, image, top, left, channel));
    float sum = 0.0f;
    u32 index = (top * pool.width + left) * pool.pieces;
    for (u32 row = top; row < bottom; ++row) {
        for (u32 column = left; column < right; ++column) {
            for (u32 piece = 0; piece < pool.pieces; ++piece) {
                float value = load(input, place_of(pool, image, row, column, channel + piece));
                sum += value;
                if (is_norm) value = fabsf(value);
                if (value > largest) {
                    largest = value;
                    index = (row * pool.width + column) * pool.pieces + piece;
                }
            }
        }
    }
    if (pool.kind == MAXIMUM) {
        switches[at] = index;
        store(output, at, largest);
        return;
    }
    if (pool.kind == MEAN) {
        store(output, at, sum / (float)((bottom - top) * (right - left)));
        return;
    }
    // Scaled by the largest value, so that no power overflows.
    float powers = 0.0f;
    for (u32 row = top; row < bottom && largest > 0.0f; ++row)
        for (u32 column = left; column < right; ++column)
            powers += powf(fabsf(load(input, place_of(pool, image, row, column, channel))) / largest, pool.p);
    store(output, at, largest > 0.0f ? largest * powf(powers, 1.0f / pool.p) : 0.0f);
}

/// d_input: a maximum's signal goes to its switch (so does that of a drawn value, whose kind is a maximum's here), a mean's in equal
/// shares to its values; a norm's to x as g sign(x) (|x| / s)^(p - 1); that of stochastic pooling in testing to x of at least 0 as
/// g (2 x - y) / (sum of x); that of a probabilistic maxout to z as g p (1 + lambda (z - y)).
extern "C" __global__ void pool_backward(Pool pool, const u32* windows, const u32* switches, Values input,
                                         Values output, Values d_output, Values d_input) {
    u64 at = thread_number();
    u64 per_image = (u64)pool.height * pool.width * pool.channels;
    if (at >= pool.batch * per_image) return;
    u32 channel = (u32)(at % pool.channels);
    u32 column = (u32)(at / pool.channels % pool.width);
    u32 row = (u32)(at / pool.channels / pool.width % pool.height);
    u32 image = (u32)(at / per_image);
    u32 channels = pool.channels / pool.pieces;
    u32 own = (row * pool.width + column) * pool.pieces + channel % pool.pieces;
    const u32* columns = windows + 2 * pool.out_height;
    float value = pool.kind == NORM || pool.kind == STOCHASTIC ? load(input, at) : 0.0f;
    if (pool.kind == PROBABILISTIC) {
        Group group = group_of(pool, input, at - channel % pool.pieces);
        u64 above = at / pool.pieces;
        float share = group_weight(pool, group, load(input, at)) / group.total;
        store(d_input, at, load(d_output, above) * share * (1.0f + pool.p * (load(input, at) - group.mean)));
        return;
    }
    float sum = 0.0f;
    // Neither starts nor ends go back from one window to the next.
    u32 first_y = 0, first_x = 0;
    while (first_y < pool.out_height && windows[2 * first_y + 1] <= row) ++first_y;
    while (first_x < pool.out_width && columns[2 * first_x + 1] <= column) ++first_x;
    for (u32 y = first_y; y < pool.out_height && windows[2 * y] <= row; ++y) {
        for (u32 x = first_x; x < pool.out_width && columns[2 * x] <= column; ++x) {
            u64 above = (((u64)image * pool.out_height + y) * pool.out_width + x) * channels + channel / pool.pieces;
            float signal = load(d_output, above);
            if (pool.kind == MAXIMUM) {
                if (switches[above] == own) sum += signal;
            } else if (pool.kind == MEAN) {
                u32 height = windows[2 * y + 1] - windows[2 * y], width = columns[2 * x + 1] - columns[2 * x];
                sum += signal / (float)(height * width);
            } else if (pool.kind == STOCHASTIC) {
                float total = 0.0f;
                for (u32 near_row = windows[2 * y]; near_row < windows[2 * y + 1]; ++near_row)
                    for (u32 near_column = columns[2 * x]; near_column < columns[2 * x + 1]; ++near_column)
                        total += weight(load(input, place_of(pool, image, near_row, near_column, channel)));
                if (value >= 0.0f && total > 0.0f) sum += signal * ((2.0f * value - load(output, above)) / total);
            } else {
                float norm = load(output, above);
                if (norm > 0.0f) sum += signal * copysignf(powf(fabsf(value) / norm, pool.p - 1.0f), value);
            }
        }
    }
    store(d_input, at, sum);
}
