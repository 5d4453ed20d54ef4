// Global average, and the losses.

/// output[image][channel] = the mean over `area` pixels.
extern "C" __global__ void average_forward(Values input, Values output, u32 batch, u32 area, u32 channels) {
    u32 at = (u32)thread_number();
    if (at >= batch * channels) return;
    u64 first = (u64)(at / channels) * area * channels + at % channels;
    float sum = 0.0f;
    for (u32 pixel = 0; pixel < area; ++pixel) sum += load(input, first + (u64)pixel * channels);
    store(output, at, sum / area);
}

/// d_input = d_output / area, spread over each channel.
extern "C" __global__ void average_backward(Values d_output, Values d_input, u64 len, u32 area, u32 channels) {
    u64 at = thread_number();
    if (at >= len) return;
    u64 image = at / ((u64)area * channels);
    store(d_input, at, load(d_output, image * channels + at % channels) / area);
}

/// values *= factors[image][channel], `area` pixels an image.
extern "C" __global__ void scale_channels(Values values, const float* factors, u64 len, u32 area, u32 channels) {
    u64 at = thread_number();
    if (at >= len) return;
    u64 image = at / ((u64)area * channels);
    store(values, at, load(values, at) * factors[image * channels + at % channels]);
}

#define LANES 32

/// The sum (or the largest) of a number of each of the LANES threads, in an order that is always the same.
__device__ inline float over_lanes(float own, bool is_sum, float* shared) {
    shared[threadIdx.x] = own;
    __syncthreads();
    float all = shared[0];
    for (int lane = 1; lane < LANES; ++lane) all = is_sum ? all + shared[lane] : fmaxf(all, shared[lane]);
    __syncthreads();
    return all;
}

/// A block of LANES threads for each row: losses[row] = -sum t log p; d_logits = (p sum(t) - t) * scale.
extern "C" __global__ void cross_entropy(Values logits, const float* targets, u32 classes, float scale, float* losses,
                                         float* d_logits) {
    __shared__ float shared[LANES];
    u64 first = (u64)blockIdx.x * classes;
    float largest = -__uint_as_float(0x7f800000u); // minus infinity
    float total = 0.0f, sum = 0.0f, loss = 0.0f;
    for (u32 at = threadIdx.x; at < classes; at += LANES) {
        largest = fmaxf(largest, load(logits, first + at));
        total += targets[first + at];
    }
    largest = over_lanes(largest, false, shared);
    total = over_lanes(total, true, shared);
    for (u32 at = threadIdx.x; at < classes; at += LANES) sum += expf(load(logits, first + at) - largest);
    float log_sum = logf(over_lanes(sum, true, shared));
    for (u32 at = threadIdx.x; at < classes; at += LANES) {
        float log_p = load(logits, first + at) - largest - log_sum;
        float target = targets[first + at];
        if (target != 0.0f) loss -= target * log_p;
        d_logits[first + at] = (expf(log_p) * total - target) * scale;
    }
    loss = over_lanes(loss, true, shared);
    if (threadIdx.x == 0) losses[blockIdx.x] = loss;
}

/// A block of LANES threads for each row, with w = sum(t): losses[row] = sum t max(0, 1 - s)^2 + (w - t) max(0, 1 + s)^2.
extern "C" __global__ void squared_hinge(Values scores, const float* targets, u32 classes, float scale, float* losses,
                                         float* d_scores) {
    __shared__ float shared[LANES];
    u64 first = (u64)blockIdx.x * classes;
    float weight = 0.0f, loss = 0.0f;
    for (u32 at = threadIdx.x; at < classes; at += LANES) weight += targets[first + at];
    weight = over_lanes(weight, true, shared);
    for (u32 at = threadIdx.x; at < classes; at += LANES) {
        float score = load(scores, first + at);
        float target = targets[first + at];
        float own = fmaxf(1.0f - score, 0.0f), others = fmaxf(1.0f + score, 0.0f);
        loss += target * own * own + (weight - target) * others * others;
        d_scores[first + at] = 2.0f * ((weight - target) * others - target * own) * scale;
    }
    loss = over_lanes(loss, true, shared);
    if (threadIdx.x == 0) losses[blockIdx.x] = loss;
}
