// Convolution as the sum it is, for the shapes that cuDNN has no engine for. A thread makes one value; sums are f32.

struct Conv {
    u32 batch, height, width, channels; // the input
    u32 out_height, out_width, out_channels;
    u32 kernel, stride, padding;
    u32 group_in, group_out; // channels of a group
};

/// The sums of a forward pass, without bias.
extern "C" __global__ void direct_forward(Conv conv, Values input, Values weights, Values output) {
    u64 at = thread_number();
    u64 per_image = (u64)conv.out_height * conv.out_width * conv.out_channels;
    if (at >= conv.batch * per_image) return;
    u32 out = (u32)(at % conv.out_channels);
    u32 x = (u32)(at / conv.out_channels % conv.out_width);
    u32 y = (u32)(at / conv.out_channels / conv.out_width % conv.out_height);
    u64 image = at / per_image;
    u32 first_in = out / conv.group_out * conv.group_in;
    float sum = 0.0f;
    for (u32 ky = 0; ky < conv.kernel; ++ky) {
        for (u32 kx = 0; kx < conv.kernel; ++kx) {
            u32 row = y * conv.stride + ky - conv.padding, column = x * conv.stride + kx - conv.padding;
            if (row >= conv.height || column >= conv.width) continue; // in the padding (or below zero: wrapped)
            u64 from = ((image * conv.height + row) * conv.width + column) * conv.channels + first_in;
            u64 weight = (((u64)out * conv.kernel + ky) * conv.kernel + kx) * conv.group_in;
            for (u32 in = 0; in < conv.group_in; ++in) sum += load(input, from + in) * load(weights, weight + in);
        }
    }
    store(output, at, sum);
}

/// The gradient of the input.
extern "C" __global__ void direct_backward_data(Conv conv, Values d_output, Values weights, Values d_input) {
    u64 at = thread_number();
    u64 per_image = (u64)conv.height * conv.width * conv.channels;
    if (at >= conv.batch * per_image) return;
    u32 channel = (u32)(at % conv.channels);
    u32 column = (u32)(at / conv.channels % conv.width);
    u32 row = (u32)(at / conv.channels / conv.width % conv.height);
    u64 image = at / per_image;
    u32 group = channel / conv.group_in, in = channel % conv.group_in;
    float sum = 0.0f;
    for (u32 ky = 0; ky < conv.kernel; ++ky) {
        for (u32 kx = 0; kx < conv.kernel; ++kx) {
            u32 down = row + conv.padding - ky, right = column + conv.padding - kx;
            if (row + conv.padding < ky || down % conv.stride || down / conv.stride >= conv.out_height) continue;
            if (column + conv.padding < kx || right % conv.stride || right / conv.stride >= conv.out_width) continue;
            u64 above = ((image * conv.out_height + down / conv.stride) * conv.out_width + right / conv.stride) *
                        conv.out_channels;
            for (u32 out = group * conv.group_out; out < (group + 1) * conv.group_out; ++out) {
                u64 weight = (((u64)out * conv.kernel + ky) * conv.kernel + kx) * conv.group_in + in;
                sum += load(d_output, above + out) * load(weights, weight);
            }
        }
    }
    store(d_input, at, sum);
}

/// The gradient of the weights.
extern "C" __global__ void direct_backward_weights(Conv conv, Values input, Values d_output, Values d_weights) {
    u64 at = thread_number();
    if (at >= (u64)conv.out_channels * conv.kernel * conv.kernel * conv.group_in) return;
    u32 in = (u32)(at % conv.group_in);
    u32 kx = (u32)(at / conv.group_in % conv.kernel);
    u32 ky = (u32)(at / conv.group_in / conv.kernel % conv.kernel);
    u32 out = (u32)(at / conv.group_in / conv.kernel / conv.kernel);
    u32 channel = out / conv.group_out * conv.group_in + in;
    float sum = 0.0f;
    for (u64 image = 0; image < conv.batch; ++image) {
        for (u32 y = 0; y < conv.out_height; ++y) {
            u32 row = y * conv.stride + ky - conv.padding;
            if (row >= conv.height) continue;
            for (u32 x = 0; x < conv.out_width; ++x) {
                u32 column = x * conv.stride + kx - conv.padding;
                if (column >= conv.width) continue;
                u64 from = ((image * conv.height + row) * conv.width + column) * conv.channels + channel;
                u64 above = ((image * conv.out_height + y) * conv.out_width + x) * conv.out_channels + out;
                sum += load(input, from) * load(d_output, above);
            }
        }
    }
    store(d_weights, at, sum);
}
