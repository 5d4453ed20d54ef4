// Pooling: maximum with switches, mean, and the p-norm of Equation 1, over windows that are listed: for each output row
// the first row of the input and the end, then for each output column likewise. A window of maxout lies along the
// channels and holds `pieces` of them.
//
// A thread makes one value. Backward it gathers from the windows that its input value lies in, so nothing is added up
// by several threads and the order is fixed.

enum Kind : u32 { MAXIMUM, MEAN, NORM };

struct Pool {
    u32 batch, height, width, channels; // the input
    u32 out_height, out_width;
    u32 pieces;
    u32 kind;
    float p;
};

__device__ inline u64 place_of(Pool pool, u32 image, u32 row, u32 column, u32 channel) {
    return (((u64)image * pool.height + row) * pool.width + column) * pool.channels + channel;
}

/// Pools each window. A switch is (row * width + column) * pieces + piece of the maximum; the first one wins a tie.
extern "C" __global__ void pool_forward(Pool pool, const u32* windows, Values input, Values output, u32* switches) {
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

/// d_input: a maximum's signal goes to its switch, a mean's in equal shares to its values; a norm's to x as
/// g sign(x) (|x| / s)^(p - 1).
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
    float value = pool.kind == NORM ? load(input, at) : 0.0f;
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
            } else {
                float norm = load(output, above);
                if (norm > 0.0f) sum += signal * copysignf(powf(fabsf(value) / norm, pool.p - 1.0f), value);
            }
        }
    }
    store(d_input, at, sum);
}
