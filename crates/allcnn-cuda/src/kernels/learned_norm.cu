// Learned-norm pooling, over the windows of a pooling (pool.cu): y = (mean of |x - c|^p)^(1/p), p = 1 + ln(1 + e^rho), with a center
// and an order for each channel.

#define NORM_THREADS 256

__device__ inline float order_of(float rho) { return 1.0f + fmaxf(rho, 0.0f) + log1pf(expf(-fabsf(rho))); }

/// The window of output `at`: rows from top to bottom, columns from left to right.
struct Window {
    u32 image, top, bottom, left, right;
};

__device__ inline Window window_of(Pool pool, const u32* windows, u64 at) {
    u32 x = (u32)(at / pool.channels % pool.out_width);
    u32 y = (u32)(at / pool.channels / pool.out_width % pool.out_height);
    const u32* columns = windows + 2 * pool.out_height;
    Window window;
    window.image = (u32)(at / pool.channels / pool.out_width / pool.out_height);
    window.top = windows[2 * y];
    window.bottom = windows[2 * y + 1];
    window.left = columns[2 * x];
    window.right = columns[2 * x + 1];
    return window;
}

__device__ inline float count_of(Window window) {
    return (float)((window.bottom - window.top) * (window.right - window.left));
}

/// A thread makes one value.
extern "C" __global__ void learned_norm_forward(Pool pool, const u32* windows, Values input, Values center, Values rho,
                                                Values output, u64 len) {
    u64 at = thread_number();
    if (at >= len) return;
    u32 channel = (u32)(at % pool.channels);
    Window window = window_of(pool, windows, at);
    float c = load(center, channel), p = order_of(load(rho, channel));
    // Scaled by the largest distance, so that no power overflows.
    float largest = 0.0f;
    for (u32 row = window.top; row < window.bottom; ++row)
        for (u32 column = window.left; column < window.right; ++column)
            largest = fmaxf(largest, fabsf(load(input, place_of(pool, window.image, row, column, channel)) - c));
    float powers = 0.0f;
    for (u32 row = window.top; row < window.bottom && largest > 0.0f; ++row)
        for (u32 column = window.left; column < window.right; ++column) {
            float distance = fabsf(load(input, place_of(pool, window.image, row, column, channel)) - c);
            powers += powf(distance / largest, p);
        }
    store(output, at, largest > 0.0f ? largest * powf(powers / count_of(window), 1.0f / p) : 0.0f);
}

/// d_input: from each window g sign(x - c) (|x - c| / y)^(p - 1) / n. A thread makes one value.
extern "C" __global__ void learned_norm_backward(Pool pool, const u32* windows, Values input, Values center, Values rho,
                                                 Values output, Values d_output, Values d_input, u64 len) {
    u64 at = thread_number();
    if (at >= len) return;
    u32 channel = (u32)(at % pool.channels);
    u32 column = (u32)(at / pool.channels % pool.width);
    u32 row = (u32)(at / pool.channels / pool.width % pool.height);
    u32 image = (u32)(at / pool.channels / pool.width / pool.height);
    const u32* columns = windows + 2 * pool.out_height;
    float distance = load(input, at) - load(center, channel), p = order_of(load(rho, channel));
    float sum = 0.0f;
    // Neither starts nor ends go back from one window to the next.
    u32 first_y = 0, first_x = 0;
    while (first_y < pool.out_height && windows[2 * first_y + 1] <= row) ++first_y;
    while (first_x < pool.out_width && columns[2 * first_x + 1] <= column) ++first_x;
    for (u32 y = first_y; y < pool.out_height && windows[2 * y] <= row; ++y)
        for (u32 x = first_x; x < pool.out_width && columns[2 * x] <= column; ++x) {
            u64 above = (((u64)image * pool.out_height + y) * pool.out_width + x) * pool.channels + channel;
            float norm = load(output, above);
            float share = load(d_output, above) / count_of(window_of(pool, windows, above));
            if (norm > 0.0f) sum += share * copysignf(powf(fabsf(distance) / norm, p - 1.0f), distance);
        }
    store(d_input, at, sum);
}

/// The gradients of center and rho of a channel, by a block; sums in f64, in a fixed order.
extern "C" __global__ void learned_norm_gradients(Pool pool, const u32* windows, Values input, Values center, Values rho,
                                                  Values output, Values d_output, Values d_center, Values d_rho) {
    __shared__ double centers[NORM_THREADS];
    __shared__ double orders[NORM_THREADS];
    u32 channel = blockIdx.x;
    float c = load(center, channel), p = order_of(load(rho, channel));
    u64 count = (u64)pool.batch * pool.out_height * pool.out_width;
    double of_center = 0.0, of_order = 0.0;
    for (u64 number = threadIdx.x; number < count; number += NORM_THREADS) {
        u64 at = number * pool.channels + channel;
        Window window = window_of(pool, windows, at);
        float norm = load(output, at);
        if (!(norm > 0.0f)) continue;
        float slopes = 0.0f, logarithms = 0.0f;
        for (u32 row = window.top; row < window.bottom; ++row)
            for (u32 column = window.left; column < window.right; ++column) {
                float distance = load(input, place_of(pool, window.image, row, column, channel)) - c;
                float relative = fabsf(distance) / norm;
                float slope = powf(relative, p - 1.0f);
                slopes += copysignf(slope, distance);
                if (relative > 0.0f) logarithms += slope * relative * logf(relative);
            }
        double share = (double)load(d_output, at) / count_of(window);
        of_center -= share * slopes;
        of_order += share * logarithms * (double)(norm / p);
    }
    centers[threadIdx.x] = of_center;
    orders[threadIdx.x] = of_order;
    for (u32 half = NORM_THREADS / 2; half > 0; half /= 2) {
        __syncthreads();
        if (threadIdx.x < half) {
            centers[threadIdx.x] += centers[threadIdx.x + half];
            orders[threadIdx.x] += orders[threadIdx.x + half];
        }
    }
    if (threadIdx.x == 0) {
        store(d_center, channel, (float)centers[0]);
        store(d_rho, channel, (float)(orders[0] / (1.0 + exp(-(double)load(rho, channel)))));
    }
}
