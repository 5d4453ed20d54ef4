// DropConnect: fully connected layers whose weights are dropped for each image, and their form for testing; the windows of
// convolutions whose filters differ from place to place.
//
// Of an image's output the factors are (inputs + 1) numbers of the stream, from a multiple of four on: one for each weight,
// then that of the bias. A thread that needs four neighboring ones draws a block.

/// The factors on weights `at` to `at + 3` of an image's output.
__device__ inline Four weight_factors(Mask mask, const Step* step, u32 inputs, u64 of_output, u32 at) {
    Four ones;
    for (int i = 0; i < 4; ++i) ones.at[i] = 1.0f;
    u64 first = of_output * ((inputs + 4) / 4 * 4);
    return masked(ones, mask, step, first + at);
}

/// sums[image][output] = sum of f w x, and f bias; a thread does one.
extern "C" __global__ void drop_connect_forward(Values input, const float* weights, const float* bias, float* sums, u32 inputs,
                                                u32 outputs, u64 len, Mask mask, const Step* step) {
    u64 at = thread_number();
    if (at >= len) return;
    u64 image = at / outputs, output = at % outputs;
    float sum = 0.0f;
    for (u32 i = 0; i <= inputs; i += 4) {
        Four factors = weight_factors(mask, step, inputs, at, i);
        for (u32 j = 0; j < 4 && i + j <= inputs; ++j)
            sum += factors.at[j] *
                   (i + j < inputs ? weights[output * inputs + i + j] * load(input, image * inputs + i + j) : bias[output]);
    }
    sums[at] = sum;
}

/// d_input[image][i] = sum over outputs of g f w; a thread does four inputs of an image.
extern "C" __global__ void drop_connect_backward_data(Values d_sums, const float* weights, float* d_input, u32 inputs,
                                                      u32 outputs, u32 fours, u64 len, Mask mask, const Step* step) {
    u64 at = thread_number();
    if (at >= len) return;
    u64 image = at / fours;
    u32 first = (u32)(at % fours) * 4;
    float sums[4] = {0.0f, 0.0f, 0.0f, 0.0f};
    for (u32 output = 0; output < outputs; ++output) {
        float signal = load(d_sums, image * outputs + output);
        Four factors = weight_factors(mask, step, inputs, image * outputs + output, first);
        for (u32 j = 0; j < 4 && first + j < inputs; ++j)
            sums[j] += signal * (factors.at[j] * weights[(u64)output * inputs + first + j]);
    }
    for (u32 j = 0; j < 4 && first + j < inputs; ++j) d_input[image * inputs + first + j] = sums[j];
}

/// d_weights[output][i] = sum over images of g f x, and d_bias; a thread does four of an output.
extern "C" __global__ void drop_connect_backward_weights(Values input, Values d_sums, float* d_weights, float* d_bias,
                                                         u32 batch, u32 inputs, u32 outputs, u32 fours, u64 len, Mask mask,
                                                         const Step* step) {
    u64 at = thread_number();
    if (at >= len) return;
    u64 output = at / fours;
    u32 first = (u32)(at % fours) * 4;
    float sums[4] = {0.0f, 0.0f, 0.0f, 0.0f};
    for (u64 image = 0; image < batch; ++image) {
        float signal = load(d_sums, image * outputs + output);
        Four factors = weight_factors(mask, step, inputs, image * outputs + output, first);
        for (u32 j = 0; j < 4 && first + j <= inputs; ++j)
            sums[j] += signal * (factors.at[j] * (first + j < inputs ? load(input, image * inputs + first + j) : 1.0f));
    }
    for (u32 j = 0; j < 4 && first + j <= inputs; ++j)
        *(first + j < inputs ? d_weights + output * inputs + first + j : d_bias + output) = sums[j];
}

/// Mean and standard deviation of an image's sum: `ratio` is rate / (1 - rate).
__device__ inline void normal_sum(Values input, const float* weights, const float* bias, u32 inputs, u64 image, u64 output,
                                  float ratio, float* mean, float* deviation) {
    float squares = bias[output] * bias[output];
    *mean = bias[output];
    for (u32 i = 0; i < inputs; ++i) {
        float product = weights[output * inputs + i] * load(input, image * inputs + i);
        *mean += product;
        squares += product * product;
    }
    *deviation = sqrtf(ratio * squares);
}

/// The probability that a normal number is below z, and its density there.
__device__ inline float normal_below(float z) { return 0.5f * erfcf(-z * 0.70710678f); }
__device__ inline float normal_density(float z) { return expf(-0.5f * z * z) * 0.39894228f; }

/// output = what is to be expected of the activation (NormalSum::activated); a thread does one.
extern "C" __global__ void drop_connect_expected(Values input, const float* weights, const float* bias, float* output,
                                                 u32 inputs, u32 outputs, u64 len, float ratio, float slope) {
    u64 at = thread_number();
    if (at >= len) return;
    float mean, deviation;
    normal_sum(input, weights, bias, inputs, at / outputs, at % outputs, ratio, &mean, &deviation);
    float positive = fmaxf(mean, 0.0f);
    if (deviation > 0.0f) {
        float z = mean / deviation;
        positive = mean * normal_below(z) + deviation * normal_density(z);
    }
    output[at] = slope * mean + (1.0f - slope) * positive;
}

/// The factors on w and on w^2 x of what a signal sends down: [image][output] of each; a thread does one.
extern "C" __global__ void drop_connect_slopes(Values input, const float* weights, const float* bias, Values d_output,
                                               float* slopes, u32 inputs, u32 outputs, u64 len, float ratio, float slope) {
    u64 at = thread_number();
    if (at >= len) return;
    float mean, deviation;
    normal_sum(input, weights, bias, inputs, at / outputs, at % outputs, ratio, &mean, &deviation);
    float by_mean = mean > 0.0f ? 1.0f : slope, by_square = 0.0f;
    if (deviation > 0.0f) {
        float z = mean / deviation;
        by_mean = slope + (1.0f - slope) * normal_below(z);
        by_square = (1.0f - slope) * normal_density(z) * ratio / deviation;
    }
    float signal = load(d_output, at);
    slopes[at] = signal * by_mean;
    slopes[len + at] = signal * by_square;
}

/// d_input[image][i] = sum over outputs of w (slope of the mean + slope of the square w x); a thread does one.
extern "C" __global__ void drop_connect_expected_backward(Values input, const float* weights, const float* slopes,
                                                          float* d_input, u32 inputs, u32 outputs, u64 of_outputs, u64 len) {
    u64 at = thread_number();
    if (at >= len) return;
    u64 image = at / inputs, i = at % inputs;
    float value = load(input, at), sum = 0.0f;
    for (u32 output = 0; output < outputs; ++output) {
        float weight = weights[output * (u64)inputs + i];
        u64 slope = image * outputs + output;
        sum += weight * (slopes[slope] + slopes[of_outputs + slope] * (weight * value));
    }
    d_input[at] = sum;
}

/// The windows of a convolution side by side; a thread does one value.
extern "C" __global__ void unfold(Values input, float* windows, u32 height, u32 width, u32 channels, u32 rows, u32 columns,
                                  u32 kernel, u32 stride, u32 padding, u64 len) {
    u64 at = thread_number();
    if (at >= len) return;
    u64 place = at / ((u64)kernel * kernel * channels);
    u32 tap = (u32)(at / channels % (kernel * kernel));
    u64 image = place / ((u64)rows * columns);
    u32 y = (u32)(place / columns % rows) * stride + tap / kernel - padding; // wraps below 0
    u32 x = (u32)(place % columns) * stride + tap % kernel - padding;
    bool inside = y < height && x < width;
    windows[at] = inside ? load(input, ((image * height + y) * width + x) * channels + at % channels) : 0.0f;
}

/// d_input = the sum of the signals of the windows that a value is in; a thread does one value.
extern "C" __global__ void fold(Values d_windows, float* d_input, u32 height, u32 width, u32 channels, u32 rows, u32 columns,
                                u32 kernel, u32 stride, u32 padding, u64 len) {
    u64 at = thread_number();
    if (at >= len) return;
    u64 pixel = at / channels, image = pixel / ((u64)height * width);
    u32 y = (u32)(pixel / width % height) + padding, x = (u32)(pixel % width) + padding;
    float sum = 0.0f;
    for (u32 tap_y = y % stride; tap_y < kernel && tap_y <= y; tap_y += stride) {
        u32 row = (y - tap_y) / stride;
        if (row >= rows) continue;
        for (u32 tap_x = x % stride; tap_x < kernel && tap_x <= x; tap_x += stride) {
            u32 column = (x - tap_x) / stride;
            if (column >= columns) continue;
            u64 tap = ((image * rows + row) * columns + column) * kernel * kernel + tap_y * kernel + tap_x;
            sum += load(d_windows, tap * channels + at % channels);
        }
    }
    d_input[at] = sum;
}
