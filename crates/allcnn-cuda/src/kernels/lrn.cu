// Local response normalization across channels: y = x / (k + alpha / size * sum of x^2 around)^beta.

struct Lrn {
    u32 channels, size;
    float alpha, beta, k;
};

__device__ inline u32 around_begin(Lrn lrn, u32 channel) {
    return channel > lrn.size / 2 ? channel - lrn.size / 2 : 0;
}
__device__ inline u32 around_end(Lrn lrn, u32 channel) {
    u32 end = channel + lrn.size / 2 + 1;
    return end < lrn.channels ? end : lrn.channels;
}

/// The base of the power at a channel of the pixel that begins at `pixel`.
__device__ inline float base(Lrn lrn, Values input, u64 pixel, u32 channel) {
    float squares = 0.0f;
    for (u32 near = around_begin(lrn, channel); near < around_end(lrn, channel); ++near) {
        float value = load(input, pixel + near);
        squares += value * value;
    }
    return lrn.k + lrn.alpha / lrn.size * squares;
}

extern "C" __global__ void lrn_forward(Lrn lrn, Values input, Values output, u64 len) {
    u64 at = thread_number();
    if (at >= len) return;
    u32 channel = (u32)(at % lrn.channels);
    store(output, at, load(input, at) * powf(base(lrn, input, at - channel, channel), -lrn.beta));
}

/// dx_i = g_i s_i^-beta - 2 alpha beta / size x_i sum over j around i of g_j x_j s_j^(-beta - 1).
extern "C" __global__ void lrn_backward(Lrn lrn, Values input, Values d_output, Values d_input, u64 len) {
    u64 at = thread_number();
    if (at >= len) return;
    u32 channel = (u32)(at % lrn.channels);
    u64 pixel = at - channel;
    float crossed = 0.0f;
    for (u32 near = around_begin(lrn, channel); near < around_end(lrn, channel); ++near)
        crossed += load(d_output, pixel + near) * load(input, pixel + near) *
                   powf(base(lrn, input, pixel, near), -lrn.beta - 1.0f);
    float own = load(d_output, at) * powf(base(lrn, input, pixel, channel), -lrn.beta);
    store(d_input, at, own - 2.0f * lrn.alpha * lrn.beta / lrn.size * load(input, at) * crossed);
}
