// Pooling: maximum with switches, and the p-norm of Equation 1.
//
// A thread makes one value. Backward it gathers from the windows that its input value lies in, so nothing is added up
// by several threads and the order is fixed.

struct Pool {
    u32 batch, height, width, channels; // the input
    u32 out_height, out_width;
    u32 kernel, stride, padding;
    float p; // 0 for the maximum
};

/// The rows (or columns) first to end - 1 of the input that output row `at` sees, of `size`.
__device__ inline u32 window_begin(Pool pool, u32 at) {
    u32 start = at * pool.stride;
    return start > pool.padding ? start - pool.padding : 0;
}
__device__ inline u32 window_end(Pool pool, u32 at, u32 size) {
    u32 end = at * pool.stride + pool.kernel;
    end = end > pool.padding ? end - pool.padding : 0;
    return end < size ? end : size;
}

__device__ inline u64 pixel(Pool pool, u32 image, u32 row, u32 column) {
    return (((u64)image * pool.height + row) * pool.width + column) * pool.channels;
}

/// Pools each window. A switch is the place of the maximum, row * width + column; the first one wins a tie.
extern "C" __global__ void pool_forward(Pool pool, Values input, Values output, u32* switches) {
    u64 at = thread_number();
    u64 per_image = (u64)pool.out_height * pool.out_width * pool.channels;
    if (at >= pool.batch * per_image) return;
    u32 channel = (u32)(at % pool.channels);
    u32 x = (u32)(at / pool.channels % pool.out_width);
    u32 y = (u32)(at / pool.channels / pool.out_width % pool.out_height);
    u32 image = (u32)(at / per_image);
    u32 top = window_begin(pool, y), bottom = window_end(pool, y, pool.height);
    u32 left = window_begin(pool, x), right = window_end(pool, x, pool.width);
    bool is_norm = pool.p > 0.0f;
    float largest = is_norm ? 0.0f : load(input, pixel(pool, image, top, left) + channel);
    u32 place = top * pool.width + left;
    for (u32 row = top; row < bottom; ++row) {
        for (u32 column = left; column < right; ++column) {
            float value = load(input, pixel(pool, image, row, column) + channel);
            if (is_norm) value = fabsf(value);
            if (value > largest) {
                largest = value;
                place = row * pool.width + column;
            }
        }
    }
    if (!is_norm) {
        switches[at] = place;
        store(output, at, largest);
        return;
    }
    // Scaled by the largest value, so that no power overflows.
    float sum = 0.0f;
    for (u32 row = top; row < bottom && largest > 0.0f; ++row)
        for (u32 column = left; column < right; ++column)
            sum += powf(fabsf(load(input, pixel(pool, image, row, column) + channel)) / largest, pool.p);
    store(output, at, largest > 0.0f ? largest * powf(sum, 1.0f / pool.p) : 0.0f);
}

/// d_input: a maximum's signal goes to its switch; a norm's to x as g sign(x) (|x| / s)^(p - 1).
extern "C" __global__ void pool_backward(Pool pool, const u32* switches, Values input, Values output, Values d_output,
                                         Values d_input) {
    u64 at = thread_number();
    u64 per_image = (u64)pool.height * pool.width * pool.channels;
    if (at >= pool.batch * per_image) return;
    u32 channel = (u32)(at % pool.channels);
    u32 column = (u32)(at / pool.channels % pool.width);
    u32 row = (u32)(at / pool.channels / pool.width % pool.height);
    u32 image = (u32)(at / per_image);
    // The windows y with y * stride - padding <= row < y * stride - padding + kernel, and likewise x.
    u32 padded_row = row + pool.padding, padded_column = column + pool.padding;
    u32 first_y = padded_row < pool.kernel ? 0 : (padded_row - pool.kernel) / pool.stride + 1;
    u32 first_x = padded_column < pool.kernel ? 0 : (padded_column - pool.kernel) / pool.stride + 1;
    float value = pool.p > 0.0f ? load(input, at) : 0.0f;
    float sum = 0.0f;
    for (u32 y = first_y; y < pool.out_height && y * pool.stride <= padded_row; ++y) {
        for (u32 x = first_x; x < pool.out_width && x * pool.stride <= padded_column; ++x) {
            u64 above = (((u64)image * pool.out_height + y) * pool.out_width + x) * pool.channels + channel;
            if (pool.p == 0.0f) {
                if (switches[above] == row * pool.width + column) sum += load(d_output, above);
                continue;
            }
            float norm = load(output, above);
            if (norm > 0.0f)
                sum += load(d_output, above) * copysignf(powf(fabsf(value) / norm, pool.p - 1.0f), value);
        }
    }
    store(d_input, at, sum);
}
